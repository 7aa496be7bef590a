"""Who may write what: asked of a real API server that has the chart's accounts, rights and policies."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster import caller
from tests.cluster.caller import FORBIDDEN, OK
from tests.cluster.conftest import OFFERED
from tests.support import accounts
from tests.system.world import World, eventually, make_object

from drover.api.kinds import (
    ADDRESS,
    DOMAIN,
    HYPERVISOR,
    IMAGE,
    LEASE,
    NETWORK,
    NODE,
    POOL,
    VIRTUALMACHINE,
    VOLUME,
    Kind,
)
from drover.kube.client import Cluster
from drover.kube.connection import read_kubeconfig
from drover.kube.transport import Request
from drover.planning import names
from drover.state.resource import Body, Key, read_meta

ROOT = Path(__file__).resolve().parents[2]
MINE, THEIRS = "admission1", "admission2"
VERBS = ("create", "update", "merge", "json", "apply", "delete", "deletecollection")
SPACE = "admission"
STORY = Key(SPACE, "web-1")
REFUSAL = re.compile(f"the agent of node {MINE} may not write|only the controller writes")
"""Of several policies that refuse, the API server names one."""


@dataclass(frozen=True)
class Scene:
    """Two nodes; on the second one everything that an agent could covet."""

    world: World
    admin: Cluster
    bodies: dict[str, Body]

    async def read(self, kind: Kind, key: Key = STORY) -> Body:
        """Read an object that is there."""
        found = await self.admin.get(kind, key)
        assert found is not None
        return found


KINDS = {"domain": DOMAIN, "volume": VOLUME, "image": IMAGE, "hypervisor": HYPERVISOR, "lease": LEASE}


@asynccontextmanager
async def set_up(world: World, node: str) -> AsyncIterator[Scene]:
    """Make a Domain, a volume, a Hypervisor and a heartbeat of a node; they are gone afterwards."""
    async with (
        Cluster(read_kubeconfig(world.state / "kubeconfig"), user_agent="somebody") as admin,
        Cluster(accounts.endpoint(world, accounts.CONTROLLER), user_agent="controller") as controller,
        Cluster(accounts.endpoint(world, accounts.AGENT, node), user_agent="agent") as agent,
    ):
        bodies = {
            "domain": await controller.create(DOMAIN, caller.domain(SPACE, STORY.name, node)),
            "volume": await _volume(controller, node),
            "image": await _image(admin, controller, node),
            "hypervisor": await agent.create(HYPERVISOR, {"metadata": {"name": node}, "spec": {}}),
            "lease": await _lease(agent, node),
        }
        try:
            yield Scene(world, admin, bodies)
        finally:
            for what in ("domain", "volume", "image", "hypervisor"):
                meta = read_meta(bodies[what])
                await admin.delete(KINDS[what], meta.key, uid=meta.uid)


async def _volume(controller: Cluster, node: str) -> Body:
    metadata = {"name": "disk", "namespace": SPACE}
    await controller.create(VOLUME, {"metadata": metadata, "spec": {"size": "1Gi"}})
    status = {"status": {"nodeName": node}}
    found = await controller.apply(VOLUME, Key(SPACE, "disk"), status, manager="test", subresource="status")
    assert found is not None
    return found


async def _image(admin: Cluster, controller: Cluster, node: str) -> Body:
    source = {"type": "Volume", "volume": {"name": "disk"}}
    await admin.create(
        IMAGE, {"metadata": {"name": "golden", "namespace": SPACE}, "spec": {"type": "Disk", "source": source}}
    )
    status = {"status": {"nodeName": node}}
    found = await controller.apply(IMAGE, Key(SPACE, "golden"), status, manager="test", subresource="status")
    assert found is not None
    return found


async def _lease(agent: Cluster, node: str) -> Body:
    body = caller.lease(node)
    key = Key(accounts.NAMESPACE, body["metadata"]["name"])
    found = await agent.apply(LEASE, key, {"spec": body["spec"]}, manager="drover-lease")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def nodes(cluster_sandbox: World) -> Iterator[World]:
    """Nodes and a namespace for this module."""
    world = cluster_sandbox
    bodies = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}} for name in (MINE, THEIRS)]
    bodies.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    world.kubectl("apply", "-f", "-", given="\n---\n".join(json.dumps(body) for body in bodies))
    yield world
    world.kubectl("delete", "node", MINE, THEIRS)
    world.kubectl("delete", "namespace", SPACE)


@pytest.fixture
def omnipotent(nodes: World) -> Iterator[World]:
    """Give the agents' account every right there is: what is refused then, the policy refuses."""
    account = f"--serviceaccount={accounts.NAMESPACE}:{accounts.AGENT}"
    nodes.kubectl("create", "clusterrolebinding", "agents-may-all", "--clusterrole=cluster-admin", account)
    yield nodes
    nodes.kubectl("delete", "clusterrolebinding", "agents-may-all")


# --- agents ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["", "status"])
@pytest.mark.parametrize("what", KINDS)
async def test_an_agent_touches_nothing_of_another_node(nodes: World, what: str, part: str) -> None:
    async with set_up(nodes, THEIRS) as scene, caller.agent(nodes, MINE) as thief:
        answers = {verb: await thief.verb(verb, KINDS[what], scene.bodies[what], part) for verb in VERBS}

        assert {verb: code for verb, (code, _) in answers.items() if code != FORBIDDEN} == {}


@pytest.mark.parametrize("what", KINDS)
async def test_even_with_all_rights_an_agent_touches_nothing_of_another_node(omnipotent: World, what: str) -> None:
    async with set_up(omnipotent, THEIRS) as scene, caller.agent(omnipotent, MINE) as thief:
        answers = {verb: await thief.verb(verb, KINDS[what], scene.bodies[what]) for verb in VERBS}

        assert {verb: told for verb, told in answers.items() if told[0] != FORBIDDEN} == {}
        assert {verb: text for verb, (_, text) in answers.items() if not REFUSAL.search(text)} == {}


@pytest.mark.parametrize("kind", [VIRTUALMACHINE, IMAGE, POOL, NETWORK, ADDRESS], ids=lambda kind: kind.plural)
async def test_even_with_all_rights_an_agent_writes_none_of_the_kinds_that_are_nobodys(
    omnipotent: World, kind: Kind
) -> None:
    async with caller.agent(omnipotent, MINE) as thief:
        body = {"metadata": {"name": "any", "namespace": SPACE if kind.namespaced else ""}, "spec": {}}
        code, text = await thief.verb("create", kind, body)

        assert (code, "of no node" in text or "Invalid" in text) in {(FORBIDDEN, True), (422, True)}, text


async def test_a_token_that_is_bound_to_no_node_writes_nothing(nodes: World) -> None:
    async with set_up(nodes, MINE), caller.agent(nodes, "") as lost:
        code, text = await lost.merge(DOMAIN, STORY, {"status": {"state": "Running"}}, "status")

        assert (code, "names no node" in text) == (FORBIDDEN, True)


async def test_an_agent_reports_and_holds_what_is_its_own(nodes: World) -> None:
    async with set_up(nodes, MINE) as scene, caller.agent(nodes, MINE) as own:
        meta = {"metadata": {"finalizers": [names.FINALIZER_AGENT]}}
        held = await own.merge(DOMAIN, STORY, meta)
        told = await own.merge(DOMAIN, STORY, {"status": {"state": "Stopped"}}, "status")
        let_go = await own.merge(DOMAIN, STORY, {"metadata": {"finalizers": []}})
        node = await own.merge(HYPERVISOR, Key("", MINE), {"status": {"bootID": "one"}}, "status")

        assert {held, told, let_go, node} == {(OK, "")}
        assert (await scene.read(DOMAIN))["status"]["state"] == "Stopped"


OVERSTEPS = [
    pytest.param({"spec": {"epoch": 2}}, "only", id="spec"),
    pytest.param({"metadata": {"labels": {"a": "b"}}}, "no labels", id="label"),
    pytest.param({"metadata": {"annotations": {"a": "b"}}}, "annotations", id="annotation"),
    pytest.param({"metadata": {"finalizers": ["example.com/mine"]}}, "finalizer but its own", id="finalizer"),
    pytest.param(
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}]}},
        "owners",
        id="owner",
    ),
]


@pytest.mark.parametrize(("change", "words"), OVERSTEPS)
async def test_of_its_own_objects_an_agent_changes_nothing_but_status_and_finalizer(
    nodes: World, change: Body, words: str
) -> None:
    async with set_up(nodes, MINE), caller.agent(nodes, MINE) as own:
        code, text = await own.merge(DOMAIN, STORY, change)

        assert (code, words in text) == (FORBIDDEN, True), text


async def test_an_agent_takes_off_the_request_to_remove_an_orphan_but_never_makes_one(nodes: World) -> None:
    key, name = Key("", MINE), "drover.dev/remove-orphan"
    async with set_up(nodes, MINE) as scene, caller.agent(nodes, MINE) as own:
        made = await own.merge(HYPERVISOR, key, {"metadata": {"annotations": {name: "guest"}}})
        await scene.admin.annotate(HYPERVISOR, read_meta(await scene.read(HYPERVISOR, key)), {name: "guest"})
        done = await own.merge(HYPERVISOR, key, {"metadata": {"annotations": {name: None}}})

        assert (made[0], done[0]) == (FORBIDDEN, OK)


# --- internal kinds --------------------------------------------------------------------------------------------------

ADDRESS_SPEC = {
    "network": "n",
    "macAddress": "02:00:00:00:00:02",
    "interface": "lan",
    "virtualMachine": {"namespace": SPACE, "name": "web", "uid": "u"},
}
INTERNAL = [
    pytest.param(DOMAIN, caller.domain(SPACE, "forged", MINE), id="domain"),
    pytest.param(ADDRESS, {"metadata": {"name": "forged"}, "spec": ADDRESS_SPEC}, id="address"),
    pytest.param(HYPERVISOR, {"metadata": {"name": "forged"}, "spec": {}}, id="hypervisor"),
]


@pytest.mark.parametrize(("kind", "body"), INTERNAL)
async def test_an_administrator_makes_no_object_of_an_internal_kind(nodes: World, kind: Kind, body: Body) -> None:
    async with caller.calling(read_kubeconfig(nodes.state / "kubeconfig")) as admin:
        code, text = await admin.verb("create", kind, body)

        assert (code, "only the controller writes their spec" in text) == (FORBIDDEN, True)


async def test_an_administrator_changes_labels_and_deletes_but_changes_no_spec_of_a_domain(nodes: World) -> None:
    async with set_up(nodes, MINE), caller.calling(read_kubeconfig(nodes.state / "kubeconfig")) as admin:
        spec = await admin.merge(DOMAIN, STORY, {"spec": {"epoch": 7}})
        label = await admin.merge(DOMAIN, STORY, {"metadata": {"labels": {"seen": "yes"}}})
        gone = await admin.ask(Request("DELETE", DOMAIN.path(SPACE, STORY.name), {}))

        assert (spec[0], label[0], gone[0]) == (FORBIDDEN, OK, OK)


# --- protection and use ----------------------------------------------------------------------------------------------

POOL_SPEC = {"type": "Directory", "directory": {"path": "/var/lib/drover/used"}}
NETWORK_SPEC = {"type": "NAT", "subnets": [{"name": "v4", "cidr": "10.99.0.0/24", "gateway": "10.99.0.1"}]}
IMAGE_SPEC = {"type": "Disk", "source": {"type": "HTTP", "http": {"url": "http://images.example/disk.qcow2"}}}
USED = [
    pytest.param("StoragePool", POOL_SPEC, id="pool"),
    pytest.param("VirtualNetwork", NETWORK_SPEC, id="network"),
    pytest.param("VirtualMachineImage", IMAGE_SPEC, id="image"),
    pytest.param("Plugin", {"version": "1"}, id="plugin"),
]
USERS = [f"shop/web{number}" for number in range(10)]


def make(
    world: World, kind: str, spec: Body, status: Body | None = None, name: str = "used", space: str = SPACE
) -> None:
    """Make an object, as its owner; its status as our controller would write it."""
    body = make_object(kind, name, dict(spec))
    world.kubectl("apply", "-n", space, "-f", "-", given=json.dumps(body))
    if status:
        patch = json.dumps({"status": status})
        world.kubectl("patch", kind, name, "-n", space, "--subresource=status", "--type=merge", "-p", patch)


@pytest.mark.parametrize(("kind", "spec"), USED)
def test_what_is_in_use_is_not_deleted_and_names_ten_users(nodes: World, kind: str, spec: Body) -> None:
    make(nodes, kind, spec, {"inUseBy": USERS, "inUseCount": 12})
    done = nodes.try_kubectl("delete", kind, "used", "-n", SPACE)
    make(nodes, kind, spec, {"inUseBy": None, "inUseCount": 0})

    assert f"{kind} used is in use by {', '.join(USERS)} and 2 more" in done.stderr
    nodes.kubectl("delete", kind, "used", "-n", SPACE)


def test_a_volume_in_use_names_its_machine(nodes: World) -> None:
    make(nodes, "StorageVolume", {"size": "1Gi"}, {"usedBy": "VirtualMachine/web"})
    done = nodes.try_kubectl("delete", "vol", "used", "-n", SPACE)
    make(nodes, "StorageVolume", {"size": "1Gi"}, {"usedBy": None})

    assert "StorageVolume used is in use by VirtualMachine/web" in done.stderr
    nodes.kubectl("delete", "vol", "used", "-n", SPACE)


def test_a_protected_machine_is_deleted_only_after_its_protection_was_taken_off(nodes: World) -> None:
    make(nodes, "VirtualMachine", {"deletionProtection": "Enabled"})
    for words in (("vm", "used"), ("vm", "--all")):
        assert (
            "is protected: set spec.deletionProtection to Disabled"
            in nodes.try_kubectl("delete", *words, "-n", SPACE).stderr
        )
    make(nodes, "VirtualMachine", {"deletionProtection": "Disabled"})

    nodes.kubectl("delete", "vm", "used", "-n", SPACE)


async def test_a_domain_goes_by_hand_only_without_the_content_of_a_tpm(nodes: World) -> None:
    body, key = caller.domain(SPACE, "sealed", MINE), Key(SPACE, "sealed")
    body["spec"]["machine"]["tpm"] = "Enabled"
    async with Cluster(accounts.endpoint(nodes, accounts.CONTROLLER), user_agent="controller") as controller:
        made = await controller.create(DOMAIN, body)
        refused = nodes.try_kubectl("delete", "dom", "sealed", "-n", SPACE)
        await controller.delete(DOMAIN, key, uid=made["metadata"]["uid"])

        assert "the content of the TPM of VirtualMachine web would go with Domain sealed" in refused.stderr
        assert await controller.get(DOMAIN, key) is None


def test_a_namespace_ends_although_things_in_it_are_protected_and_in_use(nodes: World) -> None:
    nodes.kubectl("create", "namespace", "admission-end")
    make(nodes, "VirtualMachine", {"deletionProtection": "Enabled"}, space="admission-end")
    make(nodes, "VirtualMachineImage", IMAGE_SPEC, {"inUseBy": USERS[:1]}, space="admission-end")

    nodes.kubectl("delete", "namespace", "admission-end", "--timeout=60s")


def test_what_belongs_to_a_deleted_owner_is_collected_although_it_is_in_use(nodes: World) -> None:
    make(nodes, "VirtualMachine", {}, name="owner")
    uid = nodes.get("vm", "owner", SPACE)["metadata"]["uid"]  # type: ignore[index]
    make(nodes, "StorageVolume", {"size": "1Gi"}, {"usedBy": "VirtualMachine/owner"}, name="owned")
    owner = {"apiVersion": VIRTUALMACHINE.api_version, "kind": "VirtualMachine", "name": "owner", "uid": uid}
    patch = json.dumps({"metadata": {"ownerReferences": [owner]}})
    nodes.kubectl("patch", "vol", "owned", "-n", SPACE, "--type=merge", "-p", patch)
    nodes.kubectl("delete", "vm", "owner", "-n", SPACE)

    eventually("the volume to be collected", lambda: nodes.get("vol", "owned", SPACE) is None)


# --- the policies themselves -----------------------------------------------------------------------------------------


def test_the_api_server_finds_nothing_wrong_in_the_expressions(nodes: World) -> None:
    def checked() -> list[Any] | None:
        items = nodes.list("validatingadmissionpolicies", "-l", "app.kubernetes.io/name=drover")
        return items if all("typeChecking" in item.get("status", {}) for item in items) else None

    found = eventually("the policies to be checked", checked)

    assert len(found) == 11
    assert {
        item["metadata"]["name"]: item["status"]["typeChecking"] for item in found if item["status"]["typeChecking"]
    } == {}


@pytest.mark.parametrize("file", ["install.yaml", "rbac.yaml"])
def test_the_api_server_takes_the_rendered_manifests_as_they_are(nodes: World, file: str) -> None:
    words = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    said = nodes.kubectl(*words, "-f", str(ROOT / "manifests" / file))

    bodies = [body for body in yaml.safe_load_all((ROOT / "manifests" / file).read_text(encoding="utf-8")) if body]
    assert said.count("server dry run") == len(bodies)


# --- the controller --------------------------------------------------------------------------------------------------

OF_NODES = [
    pytest.param({"metadata": {"labels": {"drover.dev/hypervisor": "true"}}}, OK, id="its label"),
    pytest.param({"metadata": {"annotations": {"drover.dev/fenced": None}}}, OK, id="its annotation"),
    pytest.param({"metadata": {"labels": {"role": "database"}}}, FORBIDDEN, id="another label"),
    pytest.param({"metadata": {"annotations": {"role": "database"}}}, FORBIDDEN, id="another annotation"),
    pytest.param({"spec": {"unschedulable": True}}, FORBIDDEN, id="cordon"),
]


@pytest.mark.parametrize(("change", "expected"), OF_NODES)
async def test_of_nodes_the_controller_changes_its_own_marks_alone(nodes: World, change: Body, expected: int) -> None:
    async with caller.calling(accounts.endpoint(nodes, accounts.CONTROLLER)) as controller:
        code, text = await controller.merge(NODE, Key("", MINE), change)

        assert code == expected, text


OF_STATUS = [
    pytest.param({"status": {"capacity": {OFFERED: "2"}, "allocatable": {OFFERED: "2"}}}, OK, id="devices offered"),
    pytest.param({"status": {"capacity": {OFFERED: None}, "allocatable": {OFFERED: None}}}, OK, id="no more of them"),
    pytest.param({"metadata": {"annotations": {"drover.dev/devices": OFFERED}}}, OK, id="its annotation"),
    pytest.param({"status": {"capacity": {"nvidia.com/gpu": "9"}}}, FORBIDDEN, id="devices not offered"),
    pytest.param({"status": {"allocatable": {"example.com/old": "9"}}}, FORBIDDEN, id="more of what it counted once"),
    pytest.param({"status": {"capacity": {"cpu": "900"}}}, FORBIDDEN, id="processors"),
    pytest.param({"status": {"capacity": {"memory": None}}}, FORBIDDEN, id="no memory"),
    pytest.param({"status": {"allocatable": {"example.com/theirs": None}}}, FORBIDDEN, id="what others count"),
    pytest.param({"status": {"capacity": {"example.com/old": None}}}, OK, id="what it counted once"),
    pytest.param({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, FORBIDDEN, id="a condition"),
    pytest.param({"status": {"addresses": [{"type": "Hostname", "address": "x"}]}}, FORBIDDEN, id="an address"),
    pytest.param({"status": {"nodeInfo": {"bootID": "another"}}}, FORBIDDEN, id="the boot"),
    pytest.param({"metadata": {"annotations": {"drover.dev/fenced": "boot"}}}, FORBIDDEN, id="another annotation"),
    pytest.param({"metadata": {"labels": {"drover.dev/hypervisor": "no"}}}, FORBIDDEN, id="a label"),
]


@pytest.mark.parametrize(("change", "expected"), OF_STATUS)
async def test_of_a_nodes_status_the_controller_changes_what_is_offered_alone(
    nodes: World, change: Body, expected: int
) -> None:
    has = {"cpu": "4", "memory": "8Gi", "example.com/old": "1", "example.com/theirs": "3"}
    counted = json.dumps({"metadata": {"annotations": {"drover.dev/devices": "example.com/old memory"}}})
    for words in (
        ("--subresource=status", json.dumps({"status": {"capacity": has, "allocatable": has}})),
        ("", counted),
    ):
        nodes.kubectl("patch", "node", MINE, "--type=merge", *filter(None, (words[0], "-p", words[1])))
    async with caller.calling(accounts.endpoint(nodes, accounts.CONTROLLER)) as controller:
        code, text = await controller.merge(NODE, Key("", MINE), change, "status")

        assert code == expected, text
