"""The accounts that the chart makes, to act as our processes do: with their rights, and no others."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path

import yaml
from tests.system.world import World

from drover.kube.client import Cluster
from drover.kube.connection import Endpoint, Secret, read_kubeconfig

NAMESPACE = "drover-system"
CONTROLLER = "drover-controller"
AGENT = "drover-agent"
HOURS = "24h"


@cache
def token(world: World, account: str, node: str = "") -> str:
    """Ask for a token; an agent's is bound to its Node, as that of a pod is through the pod; it lasts for all tests."""
    bound = ("--bound-object-kind", "Node", "--bound-object-name", node) if node else ()
    return world.kubectl("create", "token", account, "-n", NAMESPACE, "--duration", HOURS, *bound).strip()


def endpoint(world: World, account: str, node: str = "") -> Endpoint:
    """Build the connection of a process."""
    admin = read_kubeconfig(world.state / "kubeconfig")
    return Endpoint(admin.server, admin.authority, Secret(text=token(world, account, node)))


def kubeconfig(world: World, account: str) -> Path:
    """Write the kubeconfig of a process of its own."""
    path = world.state / f"{account}.kubeconfig"
    content = yaml.safe_load((world.state / "kubeconfig").read_text(encoding="utf-8"))
    content["users"] = [{"name": user["name"], "user": {"token": token(world, account)}} for user in content["users"]]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def allow_all(world: World, account: str, namespace: str) -> None:
    """Let an account do everything in one more namespace."""
    group = "rbac.authorization.k8s.io"
    body = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": account, "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
    }
    world.kubectl("apply", "-f", "-", given=json.dumps(body))


@asynccontextmanager
async def agents(world: World, nodes: Iterable[str]) -> AsyncIterator[Mapping[str, Cluster]]:
    """Connect the agent of each node, by its name."""
    async with AsyncExitStack() as stack:
        made = {node: Cluster(endpoint(world, AGENT, node), user_agent="drover-agent/fake") for node in nodes}
        for each in made.values():
            await stack.enter_async_context(each)
        yield made
