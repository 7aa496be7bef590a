"""Pools of ZFS on libvirt's test driver: it runs no ZFS, but has pools and volumes of its kind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support.fake_libvirt import make_error

import libvirt
from drover.errors import Busy, NotReady, OperatorError, Unsupported
from drover.hypervisor import logical, zvol
from drover.hypervisor.host import Host
from drover.state.host import Dataset
from drover.translation.volume import HERE

MIB = 1 << 20
IMAGE = Path("/images/abc.qcow2")
OTHERS = "<volume><name>swap</name><capacity>1048576</capacity></volume>"


@dataclass
class Stream:
    """What is sent to libvirt, and how it ended."""

    sent: bytes = b""
    ended: list[str] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        self.sent += data

    def sendHole(self, length: int) -> None:  # noqa: N802
        self.sent += bytes(length)

    def finish(self) -> None:
        self.ended.append("finished")

    def abort(self) -> None:
        self.ended.append("aborted")


def trouble(words: str) -> Callable[..., None]:
    """A verb of libvirt's that fails in these words."""

    def fail(*_arguments: object) -> None:
        error = make_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_STORAGE)
        error.args = (words,)
        raise error

    return fail


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """What comes of uploads; a file of the scratch pool is two MiB of data between two holes."""
    stream = Stream()

    def flatten(storage: libvirt.virStoragePool, document: str, *_: object) -> libvirt.virStorageVol:
        made = storage.createXML(document)
        Path(made.path()).parent.mkdir(exist_ok=True)
        with Path(made.path()).open("wb") as file:
            file.truncate(8 * MIB)
            file.seek(MIB)
            file.write(b"A" * 2 * MIB)
        return made

    monkeypatch.setattr(libvirt.virStoragePool, "createXMLFrom", flatten)
    monkeypatch.setattr(libvirt.virConnect, "newStream", lambda _: stream)
    monkeypatch.setattr(libvirt.virStorageVol, "upload", lambda *_: 0)
    return stream


@pytest.fixture
async def tank(host: Host, behind: libvirt.virConnect) -> libvirt.virStoragePool:
    """A pool of ZFS in which somebody else has a zvol."""
    await host.ensure_pool("tank", "/dev/zvol/tank", Dataset("tank"))
    storage = behind.storagePoolLookupByName("drover-tank")
    storage.createXML(OTHERS)
    return storage


async def test_a_blank_volume_is_a_zvol_into_which_nothing_is_written(
    host: Host, tank: libvirt.virStoragePool, stream: Stream
) -> None:
    made = await host.create_whole_volume("tank", "uid", 8 * MIB, None)

    assert (made.path, made.capacity_bytes, stream.ended) == ("/dev/zvol/tank/drover-uid", 8 * MIB, [])
    assert await host.volumes("tank") == ("uid",)
    await host.delete_volume("tank", "uid")
    assert sorted(tank.listVolumes()) == [HERE, "swap"]


@pytest.mark.usefixtures("tank")
async def test_all_that_is_in_an_image_is_written_into_its_zvol(
    host: Host, behind: libvirt.virConnect, stream: Stream
) -> None:
    await host.create_whole_volume("tank", "uid", 8 * MIB, IMAGE)

    assert stream.sent == bytes(MIB) + b"A" * 2 * MIB + bytes(5 * MIB)
    assert stream.ended == ["finished"]
    assert behind.storagePoolLookupByName(logical.SCRATCH).listVolumes() == []


@pytest.mark.usefixtures("tank")
async def test_the_device_of_a_new_zvol_is_waited_for(
    host: Host, monkeypatch: pytest.MonkeyPatch, stream: Stream
) -> None:
    verbs: Iterator[Callable[..., object]] = iter([trouble("Unable to open: No such file or directory"), lambda *_: 0])
    monkeypatch.setattr(libvirt.virStorageVol, "upload", lambda *words: next(verbs)(*words))

    await host.create_whole_volume("tank", "uid", 8 * MIB, IMAGE)

    assert stream.ended == ["finished"]


@pytest.mark.parametrize("words", ["No such file or directory", "Permission denied"])
@pytest.mark.usefixtures("tank", "stream")
async def test_a_zvol_that_cannot_be_written_is_not_whole(
    host: Host, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setattr(zvol, "DEVICE_SECONDS", 0.0)
    monkeypatch.setattr(libvirt.virStorageVol, "upload", trouble(words))

    with pytest.raises(OperatorError, match=words) as caught:
        await host.create_whole_volume("tank", "uid", 8 * MIB, IMAGE)

    assert (caught.value.reason, await host.volumes("tank")) == ("CopyFailed", ())


@pytest.mark.usefixtures("tank")
async def test_what_was_sent_in_part_does_not_count(
    host: Host, monkeypatch: pytest.MonkeyPatch, stream: Stream
) -> None:
    monkeypatch.setattr(Stream, "send", trouble("broken"))

    with pytest.raises(OperatorError):
        await host.create_whole_volume("tank", "uid", 8 * MIB, IMAGE)

    assert (stream.ended, await host.volume("tank", "uid")) == (["aborted"], None)


@pytest.mark.usefixtures("tank")
async def test_a_zvol_is_wiped_by_zeros(host: Host, stream: Stream) -> None:
    await host.create_volume("tank", "uid", 3 * MIB)

    await host.wipe_volume("tank", "uid")

    assert (stream.sent, stream.ended) == (bytes(3 * MIB), ["finished"])


@pytest.mark.usefixtures("tank", "stream")
async def test_a_zvol_never_grows(host: Host) -> None:
    await host.create_volume("tank", "uid", MIB)

    with pytest.raises(Unsupported, match="cannot extend volumes"):
        await host.grow_volume("tank", "uid", 16 * MIB)


@pytest.mark.usefixtures("stream")
async def test_a_pool_that_went_is_not_taken_for_an_empty_one(host: Host, tank: libvirt.virStoragePool) -> None:
    await host.create_volume("tank", "uid", MIB)
    for name in tank.listVolumes():
        tank.storageVolLookupByName(name).delete()

    for verb in (host.volume("tank", "uid"), host.delete_volume("tank", "uid"), host.pool("tank")):
        with pytest.raises(NotReady, match="/dev/zvol/tank is not there") as caught:
            await verb
        assert caught.value.reason == "PoolUnusable"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Cannot find 'zfs' in path: No such file or directory", "Unsupported"),
        ("zfs create: cannot open 'tank': no such pool", "PoolUnusable"),
    ],
)
async def test_a_pool_that_is_not_there_says_why(
    host: Host, monkeypatch: pytest.MonkeyPatch, words: str, reason: str
) -> None:
    monkeypatch.setattr(libvirt.virStoragePool, "createXML", trouble(words))

    with pytest.raises(OperatorError) as caught:
        await host.ensure_pool("tank", "/dev/zvol/tank", Dataset("tank"))

    assert caught.value.reason == reason


async def test_nothing_of_ours_is_left_in_a_pool_that_is_given_up(host: Host, tank: libvirt.virStoragePool) -> None:
    other = tank.connect()
    await host.remove_pool("tank")
    assert "drover-tank" not in [pool.name() for pool in other.listAllStoragePools()]

    await host.ensure_pool("tank", "/dev/zvol/tank", Dataset("tank"))
    assert (await host.ensure_pool("tank", "/dev/zvol/b", Dataset("b"))).path == "/dev/zvol/b"


@pytest.mark.usefixtures("tank", "stream")
async def test_a_pool_with_volumes_does_not_become_another(host: Host) -> None:
    await host.create_volume("tank", "uid", MIB)

    with pytest.raises(NotReady, match="has volumes there"):
        await host.ensure_pool("tank", "/dev/zvol/b", Dataset("b"))


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("cannot destroy 'tank/drover-uid': dataset is busy", True),
        ("cannot destroy 'tank/drover-uid': volume has children", True),
        ("cannot open 'tank/drover-uid': dataset does not exist", False),
    ],
)
@pytest.mark.usefixtures("tank", "stream")
async def test_a_zvol_that_somebody_needs_is_not_deleted(
    host: Host, monkeypatch: pytest.MonkeyPatch, words: str, *, left: bool
) -> None:
    await host.create_volume("tank", "uid", MIB)
    monkeypatch.setattr(libvirt.virStorageVol, "delete", trouble(words))

    if left:
        with pytest.raises(Busy, match=words):
            await host.delete_volume("tank", "uid")
    else:
        await host.delete_volume("tank", "uid")
