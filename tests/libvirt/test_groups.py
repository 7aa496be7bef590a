"""Volume groups on libvirt's test driver: it runs no LVM, but has pools and volumes of its kind."""

from pathlib import Path

import pytest
from tests.support.fake_libvirt import make_error

import libvirt
from drover.errors import Busy, NotReady, Retryable, Unsupported
from drover.hypervisor import logical
from drover.hypervisor.host import Host
from drover.state.host import Group
from drover.translation import volume as translation
from drover.translation.xml import parse, text

MIB = 1 << 20
IMAGE = Path("/images/abc.qcow2")
OTHERS = "<volume><name>swap</name><capacity>1048576</capacity></volume>"


@pytest.fixture
def filled(behind: libvirt.virConnect, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What volumes are filled from, as size and file: the driver copies within one pool only."""
    assert behind.isAlive()
    seen: list[tuple[str, str]] = []

    def make(storage: libvirt.virStoragePool, document: str, content: libvirt.virStorageVol, _flags: int) -> object:
        tree = parse(content.XMLDesc())
        seen.append((text(tree, "capacity"), text(tree, "backingStore/path")))
        return storage.createXML(document)

    monkeypatch.setattr(libvirt.virStoragePool, "createXMLFrom", make)
    return seen


@pytest.fixture
async def group(host: Host, behind: libvirt.virConnect) -> libvirt.virStoragePool:
    """A group in which somebody else has a volume."""
    await host.ensure_pool("fast", "/dev/vg0", Group("vg0"))
    storage = behind.storagePoolLookupByName("drover-fast")
    storage.createXML(OTHERS)
    return storage


def break_down(monkeypatch: pytest.MonkeyPatch, holder: type, verb: str, words: str) -> None:
    """Have libvirt fail at a verb in these words."""

    def fail(*_arguments: object) -> None:
        error = make_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_STORAGE)
        error.args = (words,)
        raise error

    monkeypatch.setattr(holder, verb, fail)


@pytest.mark.usefixtures("filled")
async def test_a_volume_of_a_group_is_a_device_of_its_own_and_others_are_not_listed(
    host: Host, group: libvirt.virStoragePool
) -> None:
    made = await host.create_whole_volume("fast", "uid", 8 * MIB, None)

    assert (made.path, made.capacity_bytes) == ("/dev/vg0/drover-uid", 8 * MIB)
    assert await host.volume("fast", "uid") == made == await host.create_volume("fast", "uid", 16 * MIB)
    assert await host.volumes("fast") == ("uid",)
    assert sorted(group.listVolumes()) == ["drover-uid", "drover-uid.whole", "swap"]


@pytest.mark.parametrize(("image", "backing"), [(None, ""), (IMAGE, str(IMAGE))], ids=["blank", "from-image"])
async def test_every_byte_of_a_volume_is_written_in_the_making(
    host: Host, group: libvirt.virStoragePool, filled: list[tuple[str, str]], image: Path | None, backing: str
) -> None:
    assert group.isActive()

    await host.create_whole_volume("fast", "uid", 8 * MIB, image)

    assert filled == [(str(8 * MIB), backing)]
    assert group.connect().storagePoolLookupByName(logical.SCRATCH).listVolumes() == []


async def test_what_is_left_of_a_volume_that_was_not_finished_is_made_anew(
    host: Host, group: libvirt.virStoragePool, filled: list[tuple[str, str]]
) -> None:
    group.createXML(translation.logical_document("drover-uid", MIB))
    assert await host.volume("fast", "uid") is None

    made = await host.create_volume("fast", "uid", 8 * MIB, IMAGE)

    assert (made.capacity_bytes, len(filled)) == (8 * MIB, 1)


@pytest.mark.usefixtures("filled")
async def test_a_deleted_volume_leaves_those_of_others(host: Host, group: libvirt.virStoragePool) -> None:
    await host.create_volume("fast", "uid", 8 * MIB)
    for _ in range(2):
        await host.delete_volume("fast", "uid")

    assert group.listVolumes() == ["swap"]


async def test_a_volume_is_copied_out_of_a_file_and_into_one(
    host: Host, group: libvirt.virStoragePool, filled: list[tuple[str, str]], tmp_path: Path
) -> None:
    await host.ensure_pool("files", str(tmp_path))
    await host.create_volume("files", "origin", 8 * MIB)

    made = await host.copy_volume("fast", "uid", MIB, ("files", "origin"))

    assert (made.capacity_bytes, filled) == (8 * MIB, [(str(8 * MIB), f"{tmp_path}/origin.qcow2")])
    assert await host.copy_volume("fast", "uid", MIB, ("files", "gone")) == made, "a copy that is there is kept"
    assert (await host.copy_volume("fast", "next", 16 * MIB, ("fast", "uid"))).capacity_bytes == 16 * MIB
    assert filled[1:] == [(str(16 * MIB), "/dev/vg0/drover-uid")]
    assert group.isActive()


@pytest.mark.usefixtures("filled", "group")
async def test_a_volume_that_a_guest_has_is_neither_copied_nor_wiped_nor_deleted(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    await host.create_volume("fast", "uid", 8 * MIB)
    monkeypatch.setattr(logical, "is_attached", lambda _connection, known: known.name() == "drover-uid")

    with pytest.raises(NotReady, match="its machine is on"):
        await host.copy_volume("fast", "next", MIB, ("fast", "uid"))
    with pytest.raises(Busy):
        await host.wipe_volume("fast", "uid")
    with pytest.raises(Busy):
        await host.delete_volume("fast", "uid")


@pytest.mark.usefixtures("filled")
async def test_wiping_is_left_to_libvirt(
    host: Host, group: libvirt.virStoragePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiped: list[str] = []
    monkeypatch.setattr(libvirt.virStorageVol, "wipe", lambda known: wiped.append(known.name()))
    await host.create_volume("fast", "uid", 8 * MIB)

    await host.wipe_volume("fast", "uid")
    await host.wipe_volume("fast", "unknown")

    assert (wiped, group.isActive()) == (["drover-uid"], True)


@pytest.mark.usefixtures("filled", "group")
async def test_a_logical_volume_never_grows(host: Host) -> None:
    await host.create_volume("fast", "uid", 8 * MIB)

    assert (await host.grow_volume("fast", "uid", MIB)).capacity_bytes == 8 * MIB
    with pytest.raises(Unsupported, match="cannot extend volumes"):
        await host.grow_volume("fast", "uid", 16 * MIB)
    with pytest.raises(NotReady):
        await host.grow_volume("fast", "unknown", MIB)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ('Volume group "vg0" has insufficient free space (1 extents): 2 required.', "PoolFull"),
        ("the disk has gone bad", "CopyFailed"),
    ],
)
@pytest.mark.usefixtures("group")
async def test_a_volume_that_cannot_be_made_says_why(
    host: Host, monkeypatch: pytest.MonkeyPatch, words: str, reason: str
) -> None:
    break_down(monkeypatch, libvirt.virStoragePool, "createXMLFrom", words)

    with pytest.raises(Retryable) as caught:
        await host.create_volume("fast", "uid", 8 * MIB)

    assert caught.value.reason == reason


@pytest.mark.usefixtures("filled", "group")
async def test_a_device_that_somebody_has_open_is_not_deleted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    await host.create_volume("fast", "uid", 8 * MIB)
    break_down(monkeypatch, libvirt.virStorageVol, "delete", "Logical volume vg0/drover-uid in use.")

    with pytest.raises(Busy) as caught:
        await host.delete_volume("fast", "uid")

    assert caught.value.reason == "VolumeOpen"


async def test_a_group_that_is_not_wanted_any_more_is_not_deactivated(
    host: Host, group: libvirt.virStoragePool
) -> None:
    await host.remove_pool("fast")
    assert group.isActive()

    with pytest.raises(NotReady, match="restart its libvirtd"):
        await host.ensure_pool("fast", "/dev/vg1", Group("vg1"))


async def test_a_node_without_what_a_pool_needs_names_the_package(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    break_down(monkeypatch, libvirt.virConnect, "storagePoolDefineXML", "missing backend for pool type 6 (logical)")

    with pytest.raises(NotReady, match="package lvm2") as caught:
        await host.ensure_pool("slow", "/dev/vg0", Group("vg0"))

    assert caught.value.reason == "Unsupported"
