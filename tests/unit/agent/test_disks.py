"""Disks of a guest: grown while it is on, copied from others, and never made anew."""

import asyncio
from base64 import b64encode
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from tests.support.domains import DISK
from tests.unit.agent.world import KEY, POOL_SPEC, UUID, World

from drover.agent import pool, volume
from drover.api.cloudinit import SecretKey
from drover.api.kinds import DOMAIN, POOL, VOLUME
from drover.errors import NotReady
from drover.planning.names import FINALIZER_VOLUME
from drover.state.guest import BlockDevice, BlockImage, GuestEvent, Unit
from drover.state.host import Ceph, Dataset, Group, Lender, Target, VolumeFile
from drover.state.resource import Key

DEFAULT = Key("", "default")
VOLUME_KEY = Key("shop", "web.root")
SAN = Target("san", 3260, "iqn.2026-01.com.example:disks", "iqn.2026-01.dev.drover:n1")
LENT = {name: value for name, value in DISK.items() if name != "sizeBytes"}
CLONE = {"volume": "template", "volumeUid": "vol-0", "pool": "default"}
LIVE = {"cores": 1, "memoryBytes": 1 << 27, "disks": ["root web.root 1073741824 dev=vda"]}
FILE = VolumeFile("/pool/vol-1.qcow2", 1 << 30, 1 << 20)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def running(world: World, **spec: Any) -> World:
    world.order(**spec)
    await world.reconcile()
    return world


def enlarge(world: World, size: int) -> None:
    """Order the machine's disk to be larger."""
    disk = world.told.spec.disks[0].model_dump(by_alias=True, exclude_none=True)
    world.order(disks=[{**disk, "sizeBytes": size}])


async def test_a_disk_grows_under_a_guest_in_flight_and_that_is_told(world: World) -> None:
    await running(world)
    enlarge(world, 2 << 30)

    await world.reconcile()

    assert world.host.plugged == {"root": 2 << 30}
    assert [fact.capacity_bytes for fact in world.told.status.volumes or ()] == [2 << 30]
    assert world.told.status.live is not None
    assert world.told.status.live.disks == ["root web.root 2147483648 dev=vda"]
    world.host.plugged.clear()
    await world.reconcile()
    assert world.host.plugged == {}


async def test_a_disk_that_was_made_larger_while_the_guest_was_off_grows_at_the_next_start(world: World) -> None:
    await running(world)
    world.host.befall(UUID, "Off", "Shutdown")
    enlarge(world, 2 << 30)

    await world.reconcile()

    assert world.host.files["default", "vol-1"].capacity_bytes == 2 << 30


async def test_a_disk_that_its_pool_could_never_hold_is_refused_to_a_guest_in_flight(world: World) -> None:
    await running(world)
    enlarge(world, 900 << 30)

    with pytest.raises(NotReady):
        await world.reconcile()

    world.pass_time(2)
    with pytest.raises(NotReady):
        await world.reconcile()
    assert world.condition("VolumesReady") == ("False", "PoolFull")


async def test_a_file_that_went_while_its_disk_grew_is_told_as_lost(world: World) -> None:
    await running(world)
    enlarge(world, 2 << 30)
    world.host.files.clear()

    with pytest.raises(NotReady, match="is not there"):
        await world.reconcile()


async def copying(world: World, **changes: Any) -> asyncio.Event:
    """Begin a copy that takes long; set the event when it is whole."""
    world.host.files["default", "vol-0"] = VolumeFile("/pool/vol-0", 1 << 30, 1 << 20)
    world.host.copied, world.node.chores._patience = asyncio.Event(), 0.0
    world.order(disks=[DISK | {"clone": CLONE} | changes])
    for _ in range(2):
        with pytest.raises(NotReady, match="its data is being copied"):
            await world.reconcile()
        await asyncio.sleep(0)
        world.pass_time(6)
    return world.host.copied


async def test_a_disk_is_copied_from_another_volume(world: World) -> None:
    world.host.files["default", "vol-0"] = VolumeFile("/pool/vol-0", 1 << 30, 1 << 20)
    world.order(disks=[DISK | {"clone": CLONE}])

    await world.reconcile()

    assert "copy_volume from default/vol-0" in world.host.calls
    assert world.told.status.state == "Running"


async def test_a_copy_that_takes_long_keeps_no_worker_and_no_start_waiting(world: World) -> None:
    await copying(world)

    assert world.condition("VolumesReady") == ("False", "Copying")
    assert world.host.calls.count("copy_volume from default/vol-0") == 1
    assert all(world.node.gate.enter(Key("shop", name)) for name in "ab")


EPHEMERAL: dict[str, Any] = {"hardware": {"ephemeral": "Enabled"}}


async def test_a_disk_of_which_nothing_is_kept_is_copied_once_a_start_and_keeps_no_worker_waiting(world: World) -> None:
    whole = await copying(world, **EPHEMERAL)
    whole.set()
    await asyncio.sleep(0.01)
    await world.reconcile()
    assert (world.told.status.state, world.host.calls.count("copy_volume from default/vol-0")) == ("Running", 1)

    world.host.befall(UUID, "Off", "Shutdown")
    world.pass_time(20)
    await world.reconcile()

    assert world.host.calls.count("copy_volume from default/vol-0") == 2


async def test_a_disk_of_which_nothing_is_kept_is_made_of_what_is_ordered_last(world: World) -> None:
    whole = await copying(world, **EPHEMERAL)
    world.order(disks=[DISK | EPHEMERAL])
    with pytest.raises(NotReady, match="being written"):
        await world.reconcile()

    whole.set()
    await asyncio.sleep(0.01)
    await world.reconcile()

    assert [verb for verb in world.host.calls if verb in {"delete_volume", "create_volume"}][-2:] == [
        "delete_volume",
        "create_volume",
    ]


async def test_a_disk_that_a_run_may_have_had_is_not_fresh_any_more(world: World) -> None:
    (await copying(world, **EPHEMERAL)).set()
    await asyncio.sleep(0.01)
    world.node.memory.witness(GuestEvent(UUID, "Started", "", 0.0))

    await world.reconcile()

    assert world.host.calls.count("copy_volume from default/vol-0") == 2


async def test_a_node_is_not_left_while_a_copy_is_made_there(world: World) -> None:
    whole = await copying(world)
    world.delete(DOMAIN, KEY)
    with pytest.raises(NotReady, match="being written"):
        await world.reconcile()

    whole.set()
    await asyncio.sleep(0.01)
    world.bind(capacity="1Gi")
    await world.reconcile()
    assert (DOMAIN, KEY) not in world.etcd.objects


async def test_a_disk_that_other_nodes_see_needs_no_image_there(world: World) -> None:
    world.put(POOL, DEFAULT, {"spec": {**POOL_SPEC, "access": "Shared"}})
    world.order(disks=[DISK | {"image": {"image": "shop/debian", "source": {"url": "http://web/debian.img"}}}])
    with pytest.raises(NotReady, match="the node fetches"):
        await world.reconcile()
    await world.bell.wait()

    await world.reconcile()

    assert "create_whole_volume from abc.qcow2" in world.host.calls
    assert world.told.status.state == "Running"


@pytest.mark.parametrize(
    ("kind", "member", "lender", "folder"),
    [
        ("LVM", {"lvm": {"volumeGroup": "vg0"}}, Group("vg0"), "/dev/vg0"),
        ("ZFS", {"zfs": {"pool": "tank/vms"}}, Dataset("tank/vms"), "/dev/zvol/tank/vms"),
    ],
)
async def test_a_disk_among_devices_is_one_with_every_byte_of_its_own(
    world: World, kind: str, member: dict[str, object], lender: Lender, folder: str
) -> None:
    world.put(POOL, DEFAULT, {"spec": {"type": kind} | member})

    await running(world)

    assert {f"ensure_pool of {lender}", "create_whole_volume"} <= set(world.host.calls)
    assert world.host.blueprints[UUID].files.disks == (BlockDevice(PurePosixPath(folder) / "drover-vol-1"),)


CEPH = {
    "monitors": ["mon1", "mon2"],
    "pool": "vms",
    "user": "drover",
    "keySecretRef": {"name": "ceph", "key": "userKey"},
}
USER_KEY = SecretKey(name="ceph", key="userKey")
IMAGES = Ceph(("mon1", "mon2"), 3300, "vms", "drover", "drover-default")


def ceph_key(end: bytes) -> bytes:
    """A key of Ceph as a Secret has it, by its last byte."""
    return b64encode(b"\x01\0" + bytes(8) + b"\x10\0" + bytes(15) + end)


@pytest.fixture
def cluster(world: World) -> World:
    """A node with a pool of Ceph, whose key ends with a."""
    world.put(POOL, DEFAULT, {"spec": {"type": "RBD", "rbd": CEPH}})
    world.secrets = {USER_KEY: ceph_key(b"a")}
    return world


async def test_a_disk_in_a_pool_of_ceph_is_an_image_that_the_key_opens(cluster: World) -> None:
    await running(cluster)

    opened = ["lend default a", f"ensure_pool of {IMAGES}", "create_whole_volume"]
    assert [call for call in cluster.host.calls if call in opened] == opened
    assert cluster.host.blueprints[UUID].files.disks == (BlockImage(IMAGES, "drover-vol-1"),)


async def test_a_key_that_does_not_open_a_pool_is_read_anew(cluster: World) -> None:
    cluster.host.fails[f"ensure_pool of {IMAGES}"] = NotReady("nobody is let in", reason="PoolUnusable")
    cluster.order()
    with pytest.raises(NotReady):
        await cluster.reconcile()
    cluster.secrets = {USER_KEY: ceph_key(b"b")}
    cluster.pass_time(60)

    await cluster.reconcile()

    assert [call for call in cluster.host.calls if "lend" in call][:2] == ["lend default a", "lend default b"]
    assert cluster.told.status.state == "Running"


async def test_a_pool_whose_secret_is_missing_says_so_until_it_is_there(cluster: World) -> None:
    cluster.secrets, there = NotReady("there is no Secret ceph", reason="SecretNotFound"), cluster.secrets
    cluster.order()
    for _ in range(2):
        with pytest.raises(NotReady):
            await cluster.reconcile()
        cluster.pass_time(60)
    assert cluster.condition("VolumesReady") == ("False", "SecretNotFound")
    seen = cluster.node.shared.pools.get("default")
    assert seen is not None
    assert seen.trouble == "there is no Secret ceph"

    cluster.secrets = there
    await cluster.reconcile()
    assert cluster.told.status.state == "Running"


async def test_an_image_is_not_copied_while_a_guest_of_some_node_has_it(cluster: World) -> None:
    elsewhere, live = Key("shop", "other-1"), LIVE | {"disks": ["root template 1073741824 dev=vda"]}
    cluster.host.files["default", "vol-0"] = FILE
    cluster.order(disks=[DISK | {"clone": CLONE}])
    body = cluster.etcd.objects[DOMAIN, KEY]
    metadata = {**body["metadata"], "name": "other-1"}
    cluster.etcd.put(DOMAIN, elsewhere, {**body, "metadata": metadata, "status": {"live": live}})
    with pytest.raises(NotReady, match="its machine is on"):
        await cluster.reconcile()
    cluster.etcd.drop(DOMAIN, elsewhere)
    cluster.pass_time(60)

    await cluster.reconcile()

    assert "copy_volume from default/vol-0" in cluster.host.calls


async def test_a_pool_of_ceph_that_is_deleted_takes_its_key_along(cluster: World) -> None:
    await pool.reconcile(cluster.node, DEFAULT)
    assert cluster.host.keyring.has("default")
    cluster.etcd.drop(POOL, DEFAULT)
    cluster.caches.hear()

    await pool.reconcile(cluster.node, DEFAULT)

    assert not cluster.host.keyring.has("default")


def lend(world: World, *luns: int) -> None:
    """Have a target with these LUNs, the seventh of which is the machine's disk."""
    target = {"server": "san", "target": SAN.name, "luns": [{"lun": 7, "volume": "shop/web.root"}]}
    world.put(POOL, DEFAULT, {"spec": {"type": "ISCSI", "iscsi": target}})
    world.host.files |= {("default", str(lun)): FILE for lun in luns}


async def test_a_disk_of_a_target_is_the_lun_that_the_pool_gives_it(world: World) -> None:
    lend(world, 7)

    await running(world, disks=[LENT | {"lun": 7}])

    assert f"ensure_pool of {SAN}" in world.host.calls
    assert world.host.blueprints[UUID].files.disks == (Unit(SAN, 7),)
    assert [fact.ready for fact in world.told.status.volumes or ()] == [True]
    assert "create_volume" not in world.host.calls


@pytest.mark.parametrize(("lun", "reason"), [({"lun": 7}, "LUNNotFound"), ({}, "LUNNotGiven")])
async def test_a_lun_that_is_not_there_is_waited_for(world: World, lun: dict[str, int], reason: str) -> None:
    lend(world)
    world.order(disks=[LENT | lun])
    for _ in range(2):
        with pytest.raises(NotReady):
            await world.reconcile()
        world.pass_time(2)
    assert world.condition("VolumesReady") == ("False", reason)

    lend(world, 7)
    world.order(disks=[LENT | {"lun": 7}])
    await world.reconcile()

    assert world.told.status.state == "Running"


@pytest.mark.parametrize(("name", "wipe", "wiped"), [("web.root", True, 1), ("web.root", False, 0), ("other", True, 0)])
async def test_a_lun_that_is_let_go_stays_as_it_is_or_is_wiped(
    world: World, name: str, *, wipe: bool, wiped: int
) -> None:
    lend(world, 7)
    key = Key("shop", name)
    spec = {"pool": "default", "source": {"type": "Existing"}, "wipe": "Enabled" if wipe else "Disabled"}
    going = {"uid": "vol-1", "finalizers": [FINALIZER_VOLUME], "deletionTimestamp": "2026-11-21T12:00:00Z"}
    world.put(VOLUME, key, {"spec": spec, "metadata": going, "status": {"nodeName": "n1", "pool": "default"}})

    await volume.reconcile(world.node, key)

    assert world.host.calls.count("wipe_lun 7") == wiped
    assert "delete_volume" not in world.host.calls
    assert (VOLUME, key) not in world.etcd.objects


async def test_a_lun_that_takes_long_to_wipe_keeps_no_worker_and_is_wiped_once(world: World) -> None:
    lend(world, 7)
    world.host.copied, world.node.chores._patience = asyncio.Event(), 0.0
    spec = {"pool": "default", "source": {"type": "Existing"}, "wipe": "Enabled"}
    going = {"uid": "vol-1", "finalizers": [FINALIZER_VOLUME], "deletionTimestamp": "2026-11-21T12:00:00Z"}
    world.put(VOLUME, VOLUME_KEY, {"spec": spec, "metadata": going, "status": {"nodeName": "n1", "pool": "default"}})
    for _ in range(2):
        with pytest.raises(NotReady, match="being wiped"):
            await volume.reconcile(world.node, VOLUME_KEY)
        await asyncio.sleep(0)

    world.host.copied.set()
    await asyncio.sleep(0.01)

    assert (VOLUME, VOLUME_KEY) not in world.etcd.objects
    assert world.host.calls.count("wipe_lun 7") == 1


async def test_data_that_another_node_had_is_never_made_anew(world: World) -> None:
    world.order(disks=[DISK | {"data": "Seen"}])

    with pytest.raises(NotReady, match="it is not made anew"):
        await world.reconcile()

    assert "create_volume" not in world.host.calls


async def test_a_guest_whose_data_another_node_may_use_starts_only_while_the_api_server_answers(world: World) -> None:
    world.put(POOL, DEFAULT, {"spec": {**POOL_SPEC, "access": "Shared"}})
    await running(world)
    world.host.befall(UUID, "Off", "Failed")
    world.in_touch, starts = False, world.host.calls.count("launch")

    world.pass_time(20)
    again = await world.reconcile()

    assert (world.host.calls.count("launch"), again) == (starts, 5.0)
    assert world.told.status.reason == "WaitingForAPI"
    world.in_touch = True
    await world.reconcile()
    assert world.host.calls.count("launch") == starts + 1


async def test_a_guest_with_data_of_its_own_node_is_restarted_without_the_api_server(world: World) -> None:
    await running(world)
    world.host.befall(UUID, "Off", "Failed")
    world.in_touch, starts = False, world.host.calls.count("launch")

    world.pass_time(20)
    await world.reconcile()

    assert world.host.calls.count("launch") == starts + 1


@pytest.mark.parametrize(("access", "left"), [("NodeLocal", 0), ("Shared", 1)])
async def test_what_was_begun_here_and_made_elsewhere_since_is_cleared_away(
    world: World, access: str, left: int
) -> None:
    world.put(POOL, DEFAULT, {"spec": {**POOL_SPEC, "access": access}})
    await running(world)
    world.bind(nodeName="n2", capacity="1Gi")
    world.delete(DOMAIN, KEY)
    world.host.listens = True

    for _ in range(3):
        await world.reconcile()

    assert ((DOMAIN, KEY) in world.etcd.objects, len(world.host.files)) == (False, left)


async def test_data_that_a_guest_has_not_let_go_of_yet_stays(world: World) -> None:
    await running(world)
    world.order(disks=[])
    assert world.told.status.live is not None
    await volume.reconcile(to_go(world).node, VOLUME_KEY)
    assert "delete_volume" not in world.host.calls

    await world.reconcile()

    await volume.reconcile(world.node, VOLUME_KEY)
    assert "delete_volume" in world.host.calls


# --- volumes that are to go -------------------------------------------------------------------------------------------


def to_go(world: World, **spec: Any) -> World:
    """Have the data of a volume here that somebody deletes."""
    world.host.files["default", "vol-1"] = FILE
    world.bind(capacity="1Gi")
    found = world.etcd.objects[VOLUME, VOLUME_KEY]
    world.put(VOLUME, VOLUME_KEY, {**found, "spec": {"pool": "default", **spec}})
    world.delete(VOLUME, VOLUME_KEY)
    return world


@pytest.mark.parametrize("wipe", ["Enabled", "Disabled"])
async def test_a_volume_is_overwritten_before_it_is_deleted_if_it_says_so(world: World, wipe: str) -> None:
    await volume.reconcile(to_go(world, wipe=wipe).node, VOLUME_KEY)

    verbs = [verb for verb in world.host.calls if verb in {"wipe_volume", "delete_volume"}]
    assert verbs == ["wipe_volume", "delete_volume"][wipe == "Disabled" :]
    assert world.host.files == {}


@pytest.mark.parametrize(
    ("capacity", "reason", "stays"),
    [(None, "Unsupported", False), ("1Gi", "Unsupported", True), (None, "PoolUnusable", True)],
)
async def test_a_volume_that_was_never_made_goes_where_no_such_pool_can_be(
    world: World, capacity: str | None, reason: str, *, stays: bool
) -> None:
    going = {"uid": "vol-1", "finalizers": [FINALIZER_VOLUME], "deletionTimestamp": "2026-11-21T12:00:00Z"}
    status = {"nodeName": "n1", "pool": "default", "capacity": capacity}
    world.put(VOLUME, VOLUME_KEY, {"spec": {"pool": "default"}, "metadata": going, "status": status})
    world.host.broken["ensure_pool"] = NotReady("the node lacks the package lvm2", reason=reason)

    with pytest.raises(NotReady) if stays else nullcontext():
        await volume.reconcile(world.node, VOLUME_KEY)

    assert ((VOLUME, VOLUME_KEY) in world.etcd.objects) == stays


async def test_data_that_several_nodes_see_stays_while_a_machine_elsewhere_has_it(world: World) -> None:
    world.put(POOL, DEFAULT, {"spec": {**POOL_SPEC, "access": "Shared"}})
    world.order(nodeName="n2")
    assert world.node.orders.domain(KEY) is None, "this node does not hear of it"

    with pytest.raises(NotReady, match="used on another node"):
        await volume.reconcile(to_go(world).node, VOLUME_KEY)

    world.order(nodeName="n2", disks=[])
    world.etcd.objects[DOMAIN, KEY]["status"] = {"live": LIVE}
    with pytest.raises(NotReady, match="used on another node"):
        await volume.reconcile(world.node, VOLUME_KEY)

    world.etcd.drop(DOMAIN, KEY)
    await volume.reconcile(world.node, VOLUME_KEY)
    assert world.host.files == {}
