"""What the token of one node's agent is good for elsewhere: nothing."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from tests.install import cluster
from tests.system.world import Object, Tenant, World, make_machine

from drover.sandbox.layout import NAMESPACE

DOMAIN = "domains.drover.dev"
WRITES = {
    "mark": ("annotate", "--overwrite", "stolen=yes"),
    "label": ("label", "--overwrite", "stolen=yes"),
    "delete": ("delete", "--wait=false"),
    "delete all": ("delete", "--all", "--wait=false"),
    "report": ("patch", "--subresource=status", "--type=merge", "-p", '{"status":{"conditions":[]}}'),
    "let go": ("patch", "--type=merge", "-p", '{"metadata":{"finalizers":[]}}'),
}


@dataclass(frozen=True)
class Thief:
    """Whoever holds the token of the agent on n1, as a pod there finds it."""

    world: World
    server: str
    token: str

    def tries(self, *words: str, given: Object | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl with nothing but the token."""
        authority = f"--certificate-authority={self.world.state / 'pki' / 'ca.crt'}"
        known = ("--kubeconfig=/dev/null", f"--server={self.server}", authority, f"--token={self.token}")
        return self.world.try_kubectl(*known, *words, given=json.dumps(given) if given else None)


@pytest.fixture(scope="module")
def thief(world: World) -> Thief:
    pod = cluster.agent(world, "n1")["metadata"]["name"]
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod}")
    token = world.kubectl("-n", NAMESPACE, "create", "token", "drover-agent", *bound).strip()
    server = world.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
    return Thief(world, server, token)


@pytest.fixture(scope="module")
def victims(world: World) -> Mapping[str, tuple[str, ...]]:
    """Name one object of each kind that is about n2, where a machine runs."""
    tenant = Tenant(world, "victim")
    world.kubectl("create", "namespace", tenant.namespace)
    tenant.apply(make_machine("web", nodeSelector={"kubernetes.io/hostname": "n2"}))
    tenant.machine("web").ready()
    found = {kind: world.list(kind, "-n", tenant.namespace)[0] for kind in (DOMAIN, "storagevolumes")}
    inside = {kind: (item["metadata"]["name"], "-n", tenant.namespace) for kind, item in found.items()}
    return {**inside, "hypervisors": ("n2",), "leases": ("drover-node-n2", "-n", NAMESPACE)}


@pytest.mark.parametrize("kind", [DOMAIN, "storagevolumes", "hypervisors", "leases"])
@pytest.mark.parametrize("write", WRITES)
def test_nothing_of_another_node_can_be_written(
    thief: Thief, victims: Mapping[str, tuple[str, ...]], write: str, kind: str
) -> None:
    verb, *rest = WRITES[write]
    name, *space = victims[kind]
    target = [kind, *space] if "--all" in rest else [kind, name, *space]

    done = thief.tries(verb, *target, *rest)
    assert done.returncode != 0, done.stdout
    assert "forbidden" in done.stderr.lower()


def test_nothing_can_be_made_for_another_node(thief: Thief, victims: Mapping[str, tuple[str, ...]]) -> None:
    made = thief.world.get(DOMAIN, victims[DOMAIN][0], "victim")
    assert made is not None
    made["metadata"] = {"name": "forged", "namespace": "victim"}

    assert "forbidden" in thief.tries("create", "-f", "-", given=made).stderr.lower()


@pytest.mark.parametrize("kind", ["virtualmachines", "secrets", "pods"])
def test_what_is_no_business_of_an_agent_is_not_even_seen(thief: Thief, kind: str) -> None:
    assert "forbidden" in thief.tries("get", kind, "-A").stderr.lower()


@pytest.mark.usefixtures("victims")
def test_the_guest_has_noticed_nothing(world: World) -> None:
    assert Tenant(world, "victim").machine("web").ready().boots() == 1
