"""Machines on a real control plane, their hosts in memory: what the controller makes of them, and at what cost."""

import asyncio
import json
from functools import partial

import pytest
from tests.cluster.stage import NODES, Stage, staged
from tests.system.world import World

from drover.api import kinds
from drover.state.resource import Key, read_meta

DISK = [{"name": "root", "size": "1Gi"}]
IMAGE = {"type": "Disk", "source": {"type": "HTTP", "http": {"url": "http://images.example/disk.qcow2"}}}


async def test_a_life_costs_eight_calls_to_begin_and_eight_to_end(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        before = stage.writes("web")
        await stage.make("web", disks=DISK)
        await stage.reach("Running")
        await stage.until("the volume to be bound", lambda: _bound(stage))
        running = stage.writes("web")
        await stage.delete(kinds.VIRTUALMACHINE, "web")
        await stage.empty()
        begun, ended = running - before, stage.writes("web") - running
        assert (begun.total(), ended.total()) == (8, 8), (begun, ended)


async def _bound(stage: Stage) -> bool:
    return bool((await stage.get(kinds.VOLUME, "web.root")).get("status", {}).get("nodeName"))


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"disks": [{"name": "root", "image": "deb"}]}, "ImageNotFound", id="image"),
        pytest.param({"disks": [{"name": "root", "volume": "old"}]}, "VolumeNotFound", id="volume"),
    ],
)
async def test_a_missing_reference_heals_when_it_appears(
    cluster_sandbox: World, spec: dict[str, object], reason: str
) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await stage.make("web", **spec)
        assert stage.namespace in await stage.says("Accepted", reason) or reason == "VolumeNotFound"
        metadata = {"namespace": stage.namespace}
        await stage.cluster.create(kinds.IMAGE, {"metadata": {**metadata, "name": "deb"}, "spec": IMAGE})
        await stage.cluster.create(kinds.VOLUME, {"metadata": {**metadata, "name": "old"}, "spec": {"size": "1Gi"}})
        await stage.reach("Running")


async def test_what_another_machine_holds_is_said_in_ready_and_had_when_that_is_gone(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        lan = {"name": "lan", "address": "10.20.9.9", "macAddress": "02:00:00:00:99:99"}
        await stage.make("web", disks=[{**DISK[0], "reclaimPolicy": "Retain"}], interfaces=[lan])
        await stage.reach("Running")
        await stage.make("disk", disks=[{"name": "root", "volume": "web.root"}])
        await stage.make("mac", interfaces=[{"name": "lan", "macAddress": lan["macAddress"]}])
        await stage.make("address", interfaces=[{"name": "lan", "address": lan["address"]}])
        reasons = {"disk": "VolumeInUse", "mac": "AddressInUse", "address": "AddressInUse"}
        for name, reason in reasons.items():
            assert "web" in await stage.says("Ready", reason, name)
        await stage.delete(kinds.VIRTUALMACHINE, "web")
        for name in reasons:
            await stage.reach("Running", name)


async def test_groups_and_networks_that_are_missing_or_in_a_loop_heal(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await _group(stage, "a", names="b")
        await _group(stage, "b", names="a")
        await stage.until("the loop to be told", lambda: _accepted(stage, "a", "ReferenceLoop"))
        await stage.make("web", interfaces=[{"name": "lan", "securityGroups": ["a", "c"]}])
        assert "there is no SecurityGroup c" in await stage.says("Ready", "SecurityGroupNotFound")
        await _group(stage, "c", names="missing")
        await stage.reach("Running")
        await stage.until("what is missing to be told", lambda: _accepted(stage, "c", "SecurityGroupNotFound"))
        await _group(stage, "b")
        await _group(stage, "missing")
        for name in ("a", "b", "c"):
            await stage.until(f"group {name} to heal", partial(_accepted, stage, name, "Accepted"))


async def _group(stage: Stage, name: str, *, names: str = "") -> None:
    """Apply a group with one rule, which names another group or nobody."""
    peers = {"from": {"securityGroups": [names]}} if names else {}
    body = {"spec": {"rules": [{"name": "r", **peers}]}}
    await stage.cluster.apply(kinds.SECURITYGROUP, stage.key(name), body, manager="test")


async def _accepted(stage: Stage, name: str, reason: str) -> bool:
    told = (await stage.get(kinds.SECURITYGROUP, name)).get("status", {}).get("conditions", [])
    return any((each["type"], each["reason"]) == ("Accepted", reason) for each in told)


async def test_a_machine_that_fits_nowhere_says_so_in_the_schedulers_words(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await stage.make("web", memory={"size": "900Gi"})
        message = await stage.says("Scheduled", "Unschedulable")
        assert message.startswith("0/3 nodes are available: 3 Insufficient memory")
        assert "preemption" not in message
        assert "claims" not in message


async def test_a_machine_that_is_stopped_from_the_start_holds_nothing(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await stage.make("web", powerState="Stopped", disks=DISK)
        status = await stage.reach("Stopped")
        ready = next(each for each in status["conditions"] if each["type"] == "Ready")
        made = [await stage.all(kind) for kind in (kinds.POD, kinds.DOMAIN, kinds.VOLUME)]
        assert (ready["status"], made) == ("True", [[], [], []])


async def test_stop_and_start_keep_address_volume_and_domain(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await stage.make("web", disks=DISK)
        before = await stage.reach("Running")
        await stage.change(powerState="Stopped")
        await stage.reach("Stopped")
        assert not [pod for pod in await stage.all(kinds.POD) if read_meta(pod).finalizers]
        await stage.change(powerState="Running")
        after = await stage.reach("Running")
        assert [after[part] for part in ("addresses", "domain", "nodeName")] == [
            before[part] for part in ("addresses", "domain", "nodeName")
        ]


async def test_a_machine_that_rests_starts_again_when_asked(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        uid = await stage.make("web", restartPolicy="Never")
        await stage.reach("Running")
        stage.agents.shut_down(uid)
        assert (await stage.reach("Stopped"))["lastStop"]["reason"] == "GuestShutdown"
        await stage.kubectl("annotate", "vm", "web", "drover.dev/startedAt=now")
        await stage.reach("Running")
        assert len(stage.agents.on(uid)) == 1


async def test_a_name_that_is_used_again_at_once_gets_a_new_machine(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        first = await stage.make("web", disks=DISK)
        await stage.reach("Running")
        await stage.kubectl("delete", "vm", "web")
        second = await stage.make("web", disks=DISK)
        await stage.reach("Running")
        assert (stage.agents.on(first), len(stage.agents.on(second))) == ([], 1)


@pytest.mark.parametrize("cascade", [pytest.param("background", marks=pytest.mark.long), "foreground", "orphan"])
async def test_every_way_to_delete_ends_with_nothing_left(cluster_sandbox: World, cascade: str) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        uid = await stage.make("web", disks=DISK)
        await stage.reach("Running")
        await stage.kubectl("delete", "vm", "web", f"--cascade={cascade}", "--timeout=60s")
        assert stage.agents.on(uid) == []
        await stage.empty()
        assert not any(host.disks for host in stage.agents.hosts.values())


async def test_a_volume_that_is_to_be_retained_outlives_its_machine(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await stage.make("web", disks=[{**DISK[0]}])
        await stage.reach("Running")
        await stage.change(disks=[{**DISK[0], "reclaimPolicy": "Retain"}])
        await stage.kubectl("delete", "vm", "web", "--timeout=60s")
        await stage.gone(kinds.DOMAIN, "web-1")
        kept = await stage.get(kinds.VOLUME, "web.root")
        assert (kept["status"]["phase"], kept["metadata"].get("deletionTimestamp")) == ("Bound", None)
        await stage.delete(kinds.VOLUME, "web.root")


@pytest.mark.long
async def test_a_namespace_with_machines_can_be_deleted(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        for name in ("a", "b", "c"):
            await stage.make(name, disks=DISK)
        for name in ("a", "b", "c"):
            await stage.reach("Running", name)
        words = ("delete", "namespace", stage.namespace, "--timeout=90s")
        await stage.kubectl(*words)
        assert await stage.addresses() == []


async def test_a_machine_whose_namespace_went_before_it_goes_when_that_is_made_again(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await stage.make("web", disks=DISK)
        await stage.reach("Running")
        await stage.stop()
        await _finish_namespace(stage)
        await stage.start()
        await stage.until("the controller to try", lambda: _logged(stage, "NamespaceGone"))
        await stage.cluster.create(kinds.NAMESPACE, {"metadata": {"name": stage.namespace}})
        await stage.empty(60.0)


async def _finish_namespace(stage: Stage) -> None:
    """Finish the test's namespace before its machine, as an API server that starts can."""
    await stage.kubectl("delete", "vm", "web", "--wait=false")
    await stage.kubectl("delete", "namespace", stage.namespace, "--wait=false")
    namespace = Key("", stage.namespace)
    body = await stage.cluster.get(kinds.NAMESPACE, namespace)
    path = f"/api/v1/namespaces/{stage.namespace}/finalize"
    given = json.dumps({**(body or {}), "spec": {"finalizers": []}})
    await asyncio.to_thread(stage.world.kubectl, "replace", "--raw", path, "-f", "-", given=given)

    async def gone() -> bool:
        return await stage.cluster.get(kinds.NAMESPACE, namespace) is None

    await stage.until("the namespace to be gone", gone)


async def _logged(stage: Stage, word: str) -> bool:
    return word in stage.processes[-1].log.read_text(encoding="utf-8")


async def test_an_evicted_machine_stops_in_order_and_starts_again(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        uid = await stage.make("web", disks=DISK)
        await stage.reach("Running")
        await stage.kubectl("delete", "pod", "web.anchor.1", "--wait=false")
        await stage.until("the next anchor", lambda: stage.get(kinds.POD, "web.anchor.2"))
        await stage.until("the second start", lambda: _starts(stage, uid, 2))
        await stage.until("the story of the stop", lambda: _last_stop(stage, "Evicted"))
        await stage.reach("Running")


async def _starts(stage: Stage, uid: str, number: int) -> bool:
    return any(uid in host.guests and host.guests[uid].starts == number for host in stage.agents.hosts.values())


async def _last_stop(stage: Stage, reason: str) -> bool:
    status = (await stage.get(kinds.VIRTUALMACHINE, "web"))["status"]
    return bool(status.get("lastStop", {}).get("reason") == reason)


async def test_a_guest_whose_anchor_failed_goes_on_and_its_place_is_booked_anew(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        uid = await stage.make("web", disks=DISK)
        before = await stage.reach("Running")
        await stage.kubectl("cordon", before["nodeName"])
        patch = '{"status": {"phase": "Failed"}}'
        await stage.kubectl("patch", "pod", "web.anchor.1", "--subresource=status", "--type=merge", "-p", patch)
        await stage.says("Scheduled", "ReservationLost")
        await stage.kubectl("uncordon", before["nodeName"])
        await stage.says("Scheduled", "Scheduled")
        host = stage.agents.hosts[before["nodeName"]]
        assert (stage.agents.on(uid), host.guests[uid].starts) == ([before["nodeName"]], 1)


async def test_a_silent_node_makes_its_machines_unknown_and_their_deletion_wait(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, beat=0.5) as stage:
        await stage.start(DROVER_NODE_LEASE_STALE_SECONDS="4")
        await stage.make("web", disks=DISK)
        node = (await stage.reach("Running"))["nodeName"]
        stage.agents.muted.add(node)
        assert node in await stage.says("Running", "NodeLost")
        await stage.delete(kinds.VIRTUALMACHINE, "web")
        assert node in await stage.says("Ready", "DeletionBlocked")
        stage.agents.unmute(node)
        await stage.empty()


async def test_a_machine_moves_only_when_nothing_of_it_stays_behind(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        uid = await stage.make("web", nodeSelector={"kubernetes.io/hostname": NODES[0]})
        await stage.reach("Running")
        await stage.change(powerState="Stopped")
        await stage.reach("Stopped")
        await stage.change(powerState="Running", nodeSelector={"kubernetes.io/hostname": NODES[1]})
        status = await stage.reach("Running")
        assert (status["domain"], status["epoch"], stage.agents.on(uid)) == ("web-2", 2, [NODES[1]])


async def test_two_machines_of_one_name_in_two_namespaces_do_not_collide(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as here, staged(cluster_sandbox) as there:
        await here.start()
        for stage in (here, there):
            await stage.make("web", disks=DISK)
        one, other = await here.reach("Running"), await there.reach("Running")
        assert one["addresses"] != other["addresses"]
        await there.kubectl("delete", "vm", "web", "--timeout=60s")
        assert (await here.reach("Running"))["addresses"] == one["addresses"]
        await there.cluster.get(kinds.NAMESPACE, Key("", there.namespace))
