"""Drain and loss of nodes on a real control plane, their hosts in memory: what gives way, what waits, what moves."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.cluster.stage import NODES, Stage, _node, staged
from tests.support import accounts
from tests.system.world import World

from drover.api import kinds
from drover.kube.client import Cluster
from drover.state.clusternode import OUT_OF_SERVICE
from drover.state.resource import Key, read_meta

DISK = [{"name": "root", "size": "1Gi"}]
STALE = {"DROVER_NODE_LEASE_STALE_SECONDS": "4"}
PAIR = {"nodeSelector": {"drover.dev/pair": "yes"}}
HOSTS = NODES[1:]
FIELDS = ("architecture", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "kubeletVersion", "machineID")
NODE_INFO = dict.fromkeys((*FIELDS, "operatingSystem", "osImage", "systemUUID"), "") | {"bootID": "a-later-boot"}
FENCES = ["annotation", "taint", "removal"]


@asynccontextmanager
async def nodes(world: World) -> AsyncIterator[Stage]:
    """Set a stage whose nodes are as before when it is struck."""
    async with staged(world, lasting=True, beat=0.5) as stage:
        for name in HOSTS:
            await _merge(stage, name, metadata={"labels": {"drover.dev/pair": "yes"}})
        try:
            yield stage
        finally:
            for name in NODES:
                await _restore(stage, name)


async def _restore(stage: Stage, name: str) -> None:
    """Bring a node back as it was, with an agent whose account is of the Node object that there is."""
    if await stage.cluster.get(kinds.NODE, Key("", name)) is None or name in stage.agents.muted:
        await _node(stage.cluster, name)
        await _rejoin(stage, name)
    await _node(stage.cluster, name)
    found = await stage.cluster.get(kinds.NODE, Key("", name)) or {}
    if OUT_OF_SERVICE in {each["key"] for each in found["spec"].get("taints", [])}:
        await stage.kubectl("taint", "node", name, f"{OUT_OF_SERVICE}-")
    marks = dict.fromkeys(("drover.dev/fenced", "drover.dev/out-of-service"))
    await _merge(stage, name, metadata={"annotations": marks}, spec={"unschedulable": None})
    if name in stage.agents.muted:
        await stage.agents.power_on(name, f"boot-{name}-again")


async def _merge(stage: Stage, name: str, **patch: Any) -> None:
    """Change some fields of a node."""
    await asyncio.to_thread(stage.world.merge, "node", name, patch)


async def _rejoin(stage: Stage, name: str) -> None:
    """Give an agent an account of the Node object that there is now."""
    accounts.token.cache_clear()
    client = Cluster(accounts.endpoint(stage.world, accounts.AGENT, name), user_agent="drover-agent/fake")
    stage.agents.join(name, await stage.stack.enter_async_context(client))


async def _boot(stage: Stage, node: str) -> str:
    found = await stage.cluster.get(kinds.HYPERVISOR, Key("", node)) or {}
    return str(found["status"]["bootID"])


async def _fence(stage: Stage, node: str, way: str) -> None:
    """Say that a node is off."""
    if way == "annotation":
        await stage.kubectl("annotate", "node", node, f"drover.dev/fenced={await _boot(stage, node)}")
    elif way == "taint":
        await stage.kubectl("taint", "node", node, f"{OUT_OF_SERVICE}=nodeshutdown:NoExecute")
    else:
        await stage.kubectl("delete", "node", node, "--wait=false")


async def _lose(stage: Stage, **spec: Any) -> tuple[str, str]:
    """Have a machine run, and its node lose its power; gives the machine's uid and the node."""
    await stage.start(**STALE)
    uid = await stage.make("web", interfaces=[], **(PAIR | spec))
    node = str((await stage.reach("Running"))["nodeName"])
    stage.agents.power_off(node)
    await stage.kubectl("label", "node", node, "drover.dev/fake-kubelet-")
    await stage.says("Running", "NodeLost")
    return uid, node


def _other(node: str) -> str:
    return HOSTS[1] if node == HOSTS[0] else HOSTS[0]


# --- drain -----------------------------------------------------------------------------------------------------------


async def test_a_drained_node_is_left_in_order_and_the_machine_starts_elsewhere(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        await stage.start()
        uid = await stage.make("web", interfaces=[], **PAIR)
        node = (await stage.reach("Running"))["nodeName"]
        await stage.kubectl("drain", node, "--pod-selector=drover.dev/virtualmachine=web", "--timeout=60s")
        await stage.until("it to be elsewhere", lambda: _runs_on(stage, uid, _other(node)))
        status = await stage.reach("Running")
        assert (status["nodeName"], status["epoch"], status["lastStop"]["reason"]) == (_other(node), 2, "Evicted")
        assert not status.get("restarts")
        assert stage.agents.doubles == []


async def _runs_on(stage: Stage, uid: str, node: str) -> bool:
    return stage.agents.on(uid) == [node]


async def test_a_machine_with_a_disk_on_a_drained_node_waits_for_it(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        await stage.start()
        uid = await stage.make("web", disks=DISK)
        node = (await stage.reach("Running"))["nodeName"]
        await stage.kubectl("drain", node, "--pod-selector=drover.dev/virtualmachine=web", "--timeout=60s")
        await stage.reach("Scheduling")
        assert stage.agents.on(uid) == []
        await stage.kubectl("uncordon", node)
        status = await stage.reach("Running")
        assert (status["nodeName"], status["epoch"], status["lastStop"]["reason"]) == (node, 1, "Evicted")


async def test_a_machine_that_blocks_refuses_a_drain_until_it_is_off(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        await stage.start()
        uid = await stage.make("web", interfaces=[], evictionPolicy="Block")
        node = (await stage.reach("Running"))["nodeName"]
        await stage.until("the budget", lambda: stage.get(kinds.BUDGET, "web.anchor"))
        words = ("drain", node, "--pod-selector=drover.dev/virtualmachine=web", "--timeout=2s")
        done = await asyncio.to_thread(stage.world.try_kubectl, *words, "-n", stage.namespace)
        assert "Cannot evict pod as it would violate the pod's disruption budget" in done.stderr
        assert stage.agents.on(uid) == [node]
        await stage.change(powerState="Stopped")
        await stage.gone(kinds.BUDGET, "web.anchor")
        await stage.kubectl(*words[:-1], "--timeout=60s")


@pytest.mark.parametrize("change", ["policy", "somebody's budget"])
async def test_a_budget_is_there_only_while_it_is_needed(cluster_sandbox: World, change: str) -> None:
    async with nodes(cluster_sandbox) as stage:
        await stage.start()
        await stage.make("web", interfaces=[], evictionPolicy="Block")
        await stage.until("the budget", lambda: stage.get(kinds.BUDGET, "web.anchor"))
        if change == "policy":
            await stage.change(evictionPolicy="Stop")
        else:
            await stage.kubectl("create", "pdb", "mine", "--min-available=1", "--selector=drover.dev/virtualmachine")
        await stage.gone(kinds.BUDGET, "web.anchor")


async def test_the_budget_of_a_machine_goes_with_it(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        await stage.start()
        await stage.make("web", interfaces=[], evictionPolicy="Block")
        await stage.until("the budget", lambda: stage.get(kinds.BUDGET, "web.anchor"))
        await stage.kubectl("delete", "vm", "web", "--cascade=orphan", "--timeout=60s")
        await stage.gone(kinds.BUDGET, "web.anchor")


async def test_a_guest_that_blocks_goes_on_though_its_anchor_is_deleted(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        await stage.start()
        uid = await stage.make("web", interfaces=[], evictionPolicy="Block")
        node = (await stage.reach("Running"))["nodeName"]
        await stage.kubectl("delete", "pod", "web.anchor.1", "--wait=false")
        await stage.gone(kinds.POD, "web.anchor.1")
        await stage.says("Scheduled", "Scheduled")
        assert (stage.agents.on(uid), stage.agents.hosts[node].guests[uid].starts) == ([node], 1)


# --- loss ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", FENCES)
async def test_a_machine_starts_elsewhere_once_its_node_is_said_to_be_off(cluster_sandbox: World, way: str) -> None:
    async with nodes(cluster_sandbox) as stage:
        uid, node = await _lose(stage)
        assert stage.agents.on(uid) == []
        await _fence(stage, node, way)
        status = await stage.reach("Running", seconds=60.0)
        assert (status["nodeName"], status["lastStop"]["reason"]) == (_other(node), "HostFailure")
        assert stage.agents.on(uid) == [_other(node)]
        left = await stage.get(kinds.DOMAIN, "web-1")
        assert bool(left) is (way != "removal")
        await _restore(stage, node)
        await stage.gone(kinds.DOMAIN, "web-1")
        await stage.until("the marks to be off", lambda: _unmarked(stage, node))
        assert (await stage.reach("Running"))["nodeName"] == _other(node)
        assert stage.agents.doubles == []


async def _unmarked(stage: Stage, node: str) -> bool:
    found = await stage.cluster.get(kinds.NODE, Key("", node))
    return found is not None and not [name for name in found["metadata"].get("annotations", {}) if "drover.dev" in name]


async def test_silence_alone_moves_nothing_nor_does_a_mark_of_another_boot(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        uid, node = await _lose(stage)
        await stage.kubectl("annotate", "node", node, "drover.dev/fenced=an-earlier-boot")
        await asyncio.sleep(3)
        assert [read_meta(each).key.name for each in await stage.all(kinds.DOMAIN)] == ["web-1"]
        assert (await stage.get(kinds.VIRTUALMACHINE, "web"))["status"]["phase"] == "Unknown"
        await _restore(stage, node)
        await stage.reach("Running")
        assert stage.agents.on(uid) == [node]


async def test_a_kubelet_that_is_not_ready_changes_nothing(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        await stage.start(**STALE)
        uid = await stage.make("web", interfaces=[], **PAIR)
        before = await stage.reach("Running")
        await stage.kubectl("label", "node", before["nodeName"], "drover.dev/fake-kubelet-")
        await stage.kubectl("wait", "--for=condition=Ready=Unknown", f"node/{before['nodeName']}", "--timeout=60s")
        await asyncio.sleep(3)
        assert (await stage.reach("Running"))["conditions"] == before["conditions"]
        assert stage.agents.on(uid) == [before["nodeName"]]


@pytest.mark.long
async def test_a_machine_that_never_restarts_stays_down_and_says_why(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        uid, node = await _lose(stage, restartPolicy="Never")
        await _fence(stage, node, "annotation")
        assert (await stage.reach("Stopped"))["lastStop"]["reason"] == "HostFailure"
        assert [read_meta(each).key.name for each in await stage.all(kinds.DOMAIN)] == ["web-1"]
        await stage.kubectl("annotate", "vm", "web", "drover.dev/startedAt=now")
        status = await stage.reach("Running")
        assert (status["nodeName"], stage.agents.on(uid)) == (_other(node), [_other(node)])


@pytest.mark.parametrize("spec", [{"disks": DISK}, {"powerState": "Hibernated"}], ids=["disk", "memory"])
async def test_what_a_node_keeps_is_not_torn_away_from_it(cluster_sandbox: World, spec: dict[str, Any]) -> None:
    async with nodes(cluster_sandbox) as stage:
        await stage.start(**STALE)
        uid = await stage.make("web", interfaces=[], disks=spec.get("disks"), **PAIR)
        node = (await stage.reach("Running"))["nodeName"]
        if "powerState" in spec:
            await stage.change(**spec)
            await stage.reach("Hibernated")
        stage.agents.power_off(node)
        await stage.says("Running", "NodeLost")
        await stage.change(powerState="Running")
        await _fence(stage, node, "annotation")
        await stage.says("Running", "NodeFenced")
        assert not (await stage.get(kinds.DOMAIN, "web-1"))["metadata"].get("deletionTimestamp")
        await _restore(stage, node)
        assert (await stage.reach("Running"))["nodeName"] == node
        assert (stage.agents.on(uid), stage.agents.discarded) == ([node], [])


async def test_a_delete_on_a_lost_node_waits_and_says_for_what(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        _, node = await _lose(stage, disks=DISK)
        await stage.delete(kinds.VIRTUALMACHINE, "web")
        message = await stage.says("Ready", "DeletionBlocked")
        assert f"kubectl delete node {node}" in message
        await _fence(stage, node, "annotation")
        await asyncio.sleep(2)
        assert await stage.get(kinds.DOMAIN, "web-1")
        await _fence(stage, node, "removal")
        await stage.empty(60.0)
        await stage.until("the Event", lambda: _told(stage, "AbandonedOnNode"))


async def _told(stage: Stage, reason: str) -> bool:
    items = json.loads(await stage.kubectl("get", "events", "-o", "json"))["items"]
    return reason in {each["reason"] for each in items}


@pytest.mark.long
async def test_a_node_object_made_anew_may_be_the_same_machine_until_it_tells_of_another_boot(
    cluster_sandbox: World,
) -> None:
    async with nodes(cluster_sandbox) as stage:
        uid, node = await _lose(stage)
        await stage.stop()
        await stage.kubectl("delete", "node", node)
        await _node(stage.cluster, node)
        await stage.start(**STALE)
        await asyncio.sleep(8)
        assert [read_meta(each).key.name for each in await stage.all(kinds.DOMAIN)] == ["web-1"]
        patch = json.dumps({"status": {"nodeInfo": NODE_INFO}})
        await stage.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", patch)
        assert (await stage.reach("Running", seconds=60.0))["nodeName"] == _other(node)
        assert (await stage.get(kinds.DOMAIN, "web-1"))["metadata"]["deletionTimestamp"]
        await _restore(stage, node)
        await stage.gone(kinds.DOMAIN, "web-1")
        assert stage.agents.on(uid) == [_other(node)]


@pytest.mark.long
async def test_a_node_object_made_anew_while_its_agent_lives_is_the_same_node(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        await stage.start(**STALE)
        uid = await stage.make("web", interfaces=[], **PAIR)
        node = (await stage.reach("Running"))["nodeName"]
        await stage.kubectl("delete", "node", node)
        await _node(stage.cluster, node)
        await _rejoin(stage, node)
        found = await stage.cluster.get(kinds.NODE, Key("", node)) or {}
        await stage.until("the new uid", lambda: _notes(stage, found["metadata"]["uid"]))
        stage.agents.muted.add(node)
        await stage.says("Running", "NodeLost")
        await asyncio.sleep(3)
        assert stage.agents.on(uid) == [node]
        assert [read_meta(each).key.name for each in await stage.all(kinds.DOMAIN)] == ["web-1"]
        stage.agents.unmute(node)


async def _notes(stage: Stage, uid: str) -> bool:
    return bool((await stage.get(kinds.DOMAIN, "web-1"))["spec"].get("nodeUID") == uid)


async def test_a_forgotten_mark_is_void_once_the_node_was_heard(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        _, node = await _lose(stage, disks=DISK)
        await _fence(stage, node, "taint")
        await stage.says("Running", "NodeFenced")
        await stage.agents.power_on(node, "boot-2")
        await stage.until("it to be noted", lambda: _is_void(stage, node))
        stage.agents.muted.add(node)
        await stage.says("Running", "NodeLost")


async def _is_void(stage: Stage, node: str) -> bool:
    found = await stage.cluster.get(kinds.NODE, Key("", node)) or {}
    return bool(found["metadata"].get("annotations", {}).get("drover.dev/out-of-service") == "void")


@pytest.mark.long
async def test_a_controller_that_wakes_up_finds_nobody_silent_and_nothing_fenced(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        slow = await stage.start(**STALE, DROVER_LEASE_SECONDS="600")
        uid = await stage.make("web", interfaces=[], **PAIR)
        node = (await stage.reach("Running"))["nodeName"]
        slow.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(6)
        await stage.kubectl("annotate", "node", node, f"drover.dev/fenced={await _boot(stage, node)}")
        slow.process.send_signal(signal.SIGCONT)
        await stage.until("the lie to be found out", lambda: _unmarked(stage, node))
        assert [read_meta(each).key.name for each in await stage.all(kinds.DOMAIN)] == ["web-1"]
        assert stage.agents.on(uid) == [node]


@pytest.mark.long
async def test_a_leader_that_slept_through_the_fail_over_of_another_makes_no_second(cluster_sandbox: World) -> None:
    async with nodes(cluster_sandbox) as stage:
        first = await stage.start(**STALE, DROVER_LEASE_SECONDS="3")
        uid = await stage.make("web", interfaces=[], **PAIR)
        node = (await stage.reach("Running"))["nodeName"]
        stage.agents.power_off(node)
        await stage.says("Running", "NodeLost")
        first.process.send_signal(signal.SIGSTOP)
        await _fence(stage, node, "annotation")
        await stage.start(**STALE, DROVER_LEASE_SECONDS="3")
        await stage.until("it to be elsewhere", lambda: _runs_on(stage, uid, _other(node)))
        first.process.send_signal(signal.SIGCONT)
        await asyncio.to_thread(first.process.wait)
        assert (await stage.reach("Running"))["nodeName"] == _other(node)
        assert (len(await stage.all(kinds.DOMAIN)), stage.agents.doubles) == (2, [])
