"""Drover in the sandbox: resource definitions, permissions, controller, agents, and the example to begin with."""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import aiohttp

from drover.errors import Unavailable, Unsupported
from drover.sandbox import kubeconfig, supervise
from drover.sandbox.api import Api, Body
from drover.sandbox.command import run
from drover.sandbox.component import Component
from drover.sandbox.layout import CHECKOUT, NAMESPACE, Layout, Node
from drover.sandbox.node import inside
from drover.sandbox.settings import Settings

GROUP = "drover.dev"
CRDS = CHECKOUT / "crds"
RBAC = CHECKOUT / "manifests" / "rbac.yaml"
QUICKSTART = CHECKOUT / "manifests" / "examples" / "quickstart.yaml"
QUICKSTART_MACHINE = "/apis/drover.dev/v1alpha1/namespaces/default/virtualmachines/hello"
DROVER_DIRECTORY = "/var/lib/drover"
NODE_API_PORT = 8443
"""Below the ports on which the replicas of the controller serve agents."""
TOKEN_LIFETIME = 7 * 24 * 3600
ESTABLISHED_DEADLINE = 20.0
READY_DEADLINE = 60.0
GUEST_DEADLINE = 90.0
POLL = 0.1
OK = 200
HTTP_TIMEOUT = aiohttp.ClientTimeout(total=10)


async def apply_definitions(layout: Layout, api: Api) -> None:
    """Apply the CRDs and the permissions, and wait until the API serves the new kinds."""
    files = list(CRDS.glob("*.yaml"))
    if not files:
        raise Unsupported(f"no resource definitions in {CRDS}: the sandbox installs Drover from its checkout")
    await kubectl(layout, "apply", "--server-side", "--force-conflicts", "-f", CRDS, "-f", RBAC)
    await supervise.ready(layout, "kube-apiserver", partial(_established, api, len(files)), ESTABLISHED_DEADLINE)


async def _established(api: Api, count: int) -> bool:
    found = await api.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    ours = [item for item in (found or {}).get("items", ()) if item["spec"]["group"] == GROUP]
    return len(ours) >= count and all(condition(item, "Established") for item in ours)


async def kubectl(layout: Layout, *arguments: str | Path) -> str:
    """Run kubectl as the sandbox's administrator and return its output."""
    return await run(layout.kubectl, *arguments)


async def write_token(layout: Layout, api: Api, name: str, account: str, node: Node | None = None) -> Path:
    """Write the kubeconfig of a process of Drover, with a token of its ServiceAccount; return its path.

    An agent's token is bound to its Node object, so the API server knows which node it speaks for.
    """
    spec: Body = {"expirationSeconds": TOKEN_LIFETIME}
    if node is not None:
        found = await api.get(f"/api/v1/nodes/{node.name}")
        if found is None:
            raise Unavailable(f"Node {node.name} is not registered")
        reference = {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": found["metadata"]["uid"]}
        spec["boundObjectRef"] = reference
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = await api.create(f"{accounts}/{account}/token", request)
    if answer is None:
        raise Unavailable(f"ServiceAccount {account} is missing")
    token = layout.etc / f"{name}.token"
    kubeconfig.write(token, answer["status"]["token"])
    target = kubeconfig.path(layout, name)
    kubeconfig.write(target, kubeconfig.render(layout, kubeconfig.by_token(token)))
    return target


def controller_name(index: int) -> str:
    """Return the name of the controller's replica of that index, counted from 1."""
    return "controller" if index == 1 else f"controller-{index}"


def controller_address(layout: Layout, index: int) -> str:
    """Return where a replica of the controller serves its metrics and its health."""
    return f"{layout.loopback(index)}:8080"


def controller(layout: Layout, settings: Settings, index: int) -> Component:
    """Return one replica of the controller."""
    environment = {
        "DROVER_KUBECONFIG": str(kubeconfig.path(layout, "controller")),
        "DROVER_NAMESPACE": NAMESPACE,
        "DROVER_HTTP_ADDRESS": controller_address(layout, index),
        "DROVER_NODE_API_ADDRESS": f"{layout.address}:{NODE_API_PORT + index}",
        "DROVER_CLUSTER_DEFAULTS": "Create",
        "DROVER_DEFAULT_NETWORK_CIDR": str(layout.vm_network),
        "DROVER_DEFAULT_POOL_PATH": f"{DROVER_DIRECTORY}/pools/default",
    }
    return Component(
        name=controller_name(index),
        command=(sys.executable, "-m", "drover", "controller"),
        environment=_environment(environment, settings),
    )


def agent(layout: Layout, settings: Settings, node: Node) -> Component:
    """Return the agent of a node."""
    name = agent_name(node)
    environment = {
        "DROVER_KUBECONFIG": str(kubeconfig.path(layout, name)),
        "DROVER_NAMESPACE": NAMESPACE,
        "DROVER_HTTP_ADDRESS": f"{node.address}:8081",
        "DROVER_NODE_NAME": node.name,
        "DROVER_LIBVIRT_URI": "qemu:///system",
        "DROVER_STATE_DIR": DROVER_DIRECTORY,
        "DROVER_BOOT_ID_FILE": str(node.boot_id),
    }
    command = (sys.executable, "-m", "drover", "agent")
    return inside(node, name, command, _environment(environment, settings))


def agent_name(node: Node) -> str:
    """Return the name of a node's agent."""
    return f"agent-{node.name}"


def _environment(own: dict[str, str], settings: Settings) -> tuple[tuple[str, str], ...]:
    # The supervisor's environment is that of the first `up`; what may differ since is passed on here.
    passed = {**supervise.python_path(), "PATH": os.environ.get("PATH", os.defpath)}
    return tuple(sorted({**passed, **own, **settings.environment}.items()))


async def start(layout: Layout, api: Api, settings: Settings) -> None:
    """Start controllers and agents with fresh tokens."""
    components = []
    if settings.controllers:
        await write_token(layout, api, "controller", "drover-controller")
        components += [controller(layout, settings, index) for index in range(1, settings.controllers + 1)]
    for node in layout.nodes(settings.nodes if settings.agents else 0):
        await write_token(layout, api, agent_name(node), "drover-agent", node)
        components.append(agent(layout, settings, node))
    await supervise.keep(layout, components)


async def ready(layout: Layout, api: Api, settings: Settings) -> None:
    """Wait until every controller has read the cluster and every node's Hypervisor reports Ready."""
    nodes = layout.nodes(settings.nodes if settings.agents else 0)
    replicas = range(1, settings.controllers + 1)
    controllers = {controller_name(index): partial(_reads, controller_address(layout, index)) for index in replicas}
    agents = {agent_name(node): partial(reports, api, node) for node in nodes}
    probes: dict[str, Callable[[], Awaitable[bool]]] = {**controllers, **agents}
    await asyncio.gather(*(supervise.ready(layout, name, probe, READY_DEADLINE) for name, probe in probes.items()))


async def _reads(address: str) -> bool:
    try:
        async with (
            aiohttp.ClientSession(timeout=HTTP_TIMEOUT) as session,
            session.get(f"http://{address}/readyz") as answer,
        ):
            return answer.status == OK
    except (aiohttp.ClientError, TimeoutError):
        return False


async def reports(api: Api, node: Node) -> bool:
    """Tell whether a node's Hypervisor reports Ready."""
    return condition(await api.get(f"/apis/drover.dev/v1alpha1/hypervisors/{node.name}"), "Ready")


def condition(body: Body | None, kind: str) -> bool:
    """Tell whether an object's condition is True."""
    conditions = ((body or {}).get("status") or {}).get("conditions") or ()
    return any(item["type"] == kind and item["status"] == "True" for item in conditions)


def explanation(body: Body | None) -> str:
    """Return what an object says of why it is not ready."""
    conditions = ((body or {}).get("status") or {}).get("conditions") or ()
    said = (f"{item.get('reason', '')} {item.get('message', '')}" for item in conditions if item["type"] == "Ready")
    return next(said, "it has no status").strip()


async def quickstart(layout: Layout, api: Api) -> None:
    """Apply the example and wait until its guest is ready."""
    await kubectl(layout, "apply", "-f", QUICKSTART)
    limit = time.monotonic() + GUEST_DEADLINE
    while not condition(found := await api.get(QUICKSTART_MACHINE), "Ready"):
        if time.monotonic() > limit:
            told = explanation(found)
            logs = f"{layout.log('controller')} and {layout.log('agent-n1')}"
            raise Unavailable(f"vm/hello is not ready after {GUEST_DEADLINE:.0f} s: {told}; read {logs}")
        await asyncio.sleep(POLL)


async def greeting(api: Api) -> tuple[str, str]:
    """Return the URL of the example's guest and its answer, as fetched from the machine."""
    found = await api.get(QUICKSTART_MACHINE)
    addresses = ((found or {}).get("status") or {}).get("addresses") or [{}]
    url = f"http://{addresses[0].get('ip', '')}/"
    try:
        async with aiohttp.ClientSession(timeout=HTTP_TIMEOUT) as session, session.get(url) as response:
            return url, (await response.text()).strip()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable(f"{url} does not answer: {error}") from error
