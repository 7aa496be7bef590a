"""Pools and volumes on libvirt's test driver."""

import asyncio
from pathlib import Path

import pytest
from tests.support.fake_libvirt import make_error

import libvirt
from drover.errors import Busy, NotReady, Retryable
from drover.hypervisor import volume
from drover.hypervisor.host import Host
from drover.translation import volume as translation

GIB = 1 << 30


def fail(_volume: libvirt.virStorageVol) -> None:
    """A disk that has gone bad."""
    raise make_error(libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_STORAGE)


@pytest.fixture
async def pool(host: Host) -> str:
    await host.ensure_pool("default", "/pool")
    return "default"


async def test_a_pool_is_made_once(host: Host) -> None:
    first = await host.ensure_pool("fast", "/fast")
    second = await host.ensure_pool("fast", "/fast")

    assert (first.name, first.path) == ("fast", "/fast")
    assert second == first == await host.pool("fast")


async def test_an_unknown_pool_is_none_and_cannot_be_used(host: Host) -> None:
    assert await host.pool("nowhere") is None
    with pytest.raises(NotReady) as caught:
        await host.create_volume("nowhere", "uid", GIB)

    assert caught.value.reason == "PoolNotActive"


async def test_a_pool_that_was_stopped_is_started_again(host: Host, pool: str, behind: libvirt.virConnect) -> None:
    behind.storagePoolLookupByName("drover-default").destroy()

    assert await host.pool(pool) is None
    assert (await host.ensure_pool(pool, "/pool")).name == pool


async def test_our_pools_are_listed_by_the_names_that_they_have_with_us(host: Host, pool: str) -> None:
    assert await host.pool_names() == (pool,)


async def test_a_removed_pool_may_be_removed_again(host: Host, pool: str) -> None:
    await host.remove_pool(pool)
    await host.remove_pool(pool)

    assert await host.pool(pool) is None


async def test_a_pool_is_known_as_long_as_files_of_volumes_are_in_it(host: Host, pool: str) -> None:
    await host.create_volume(pool, "uid", GIB, Path("/images/abc.qcow2"))
    await host.remove_pool(pool)
    assert await host.volumes(pool) == ("uid",)

    await host.delete_volume(pool, "uid")
    await host.remove_pool(pool)
    assert await host.pool(pool) is None


async def test_a_volume_is_made_once(host: Host, pool: str) -> None:
    first = await host.create_volume(pool, "uid", GIB)
    second = await host.create_volume(pool, "uid", 2 * GIB)

    assert (first.path, first.capacity_bytes) == ("/pool/uid.qcow2", GIB)
    assert second == first == await host.volume(pool, "uid")
    assert await host.volumes(pool) == ("uid",)


async def test_a_volume_is_made_on_top_of_an_image(host: Host, pool: str) -> None:
    made = await host.create_volume(pool, "uid", GIB, Path("/images/abc.qcow2"))

    assert made.capacity_bytes == GIB


async def test_an_unknown_volume_is_none(host: Host, pool: str) -> None:
    assert await host.volume(pool, "uid") is None


async def test_a_lost_volume_cannot_grow(host: Host, pool: str) -> None:
    with pytest.raises(NotReady) as caught:
        await host.grow_volume(pool, "uid", GIB)

    assert caught.value.reason == "VolumeLost"


async def test_a_volume_never_shrinks(host: Host, pool: str) -> None:
    await host.create_volume(pool, "uid", GIB)

    assert (await host.grow_volume(pool, "uid", GIB // 2)).capacity_bytes == GIB


async def test_a_deleted_volume_may_be_deleted_again(host: Host, pool: str) -> None:
    await host.create_volume(pool, "uid", GIB)
    await host.delete_volume(pool, "uid")
    await host.delete_volume(pool, "uid")

    assert await host.volume(pool, "uid") is None


@pytest.mark.parametrize("active", [True, False], ids=["active", "inactive"])
async def test_an_unused_pool_of_another_directory_is_defined_anew(
    host: Host, pool: str, behind: libvirt.virConnect, *, active: bool
) -> None:
    if not active:
        behind.storagePoolLookupByName("drover-default").destroy()

    assert (await host.ensure_pool(pool, "/elsewhere")).path == "/elsewhere"


async def test_a_pool_with_volumes_stays_where_it_is(host: Host, pool: str) -> None:
    await host.create_volume(pool, "uid", GIB)
    with pytest.raises(NotReady) as caught:
        await host.ensure_pool(pool, "/elsewhere")

    assert caught.value.reason == "PoolUnusable"
    assert await host.volumes(pool) == ("uid",)


async def test_a_pool_that_many_need_at_once_is_made_once(host: Host) -> None:
    made = await asyncio.gather(*(host.ensure_pool("fast", "/fast") for _ in range(16)))

    assert {facts.name for facts in made} == {"fast"}


async def test_the_directory_is_read_anew_before_a_volume_is_said_to_be_gone(
    host: Host, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    monkeypatch.setattr(libvirt.virStoragePool, "refresh", lambda _pool, flags=0: read.append(flags))
    await host.delete_volume(pool, "uid")

    assert read == [0]


async def test_a_volume_that_cannot_be_read_is_never_taken_for_absent(
    host: Host, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await host.create_volume(pool, "uid", GIB)
    monkeypatch.setattr(libvirt.virStorageVol, "info", fail)
    with pytest.raises(Retryable) as caught:
        await host.create_volume(pool, "uid", GIB)

    assert caught.value.reason == "VolumeUnreadable"
    assert await host.volumes(pool) == ("uid",)


# --- copies and wiping ------------------------------------------------------------------------------------------------


async def test_a_copy_of_what_is_not_there_waits(host: Host, pool: str) -> None:
    with pytest.raises(NotReady) as caught:
        await host.copy_volume(pool, "uid", GIB, (pool, "origin"))

    assert caught.value.reason == "SourceLost"


@pytest.fixture
def files(behind: libvirt.virConnect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in which the files are that the driver only talks of; what is made there is known at once."""
    assert behind.isAlive()
    real, forget = libvirt.virStoragePool.createXMLFrom, libvirt.virStorageVol.delete

    def copy(storage: libvirt.virStoragePool, document: str, origin: libvirt.virStorageVol, flags: int) -> object:
        made = real(storage, document, origin, flags)
        Path(made.path()).write_bytes(Path(origin.path()).read_bytes())
        return made

    def refresh(storage: libvirt.virStoragePool, flags: int = 0) -> None:
        for name in storage.listVolumes():
            known = storage.storageVolLookupByName(name)
            if not Path(known.path()).exists():
                known.delete(flags)
        for path in tmp_path.glob("*.qcow2"):
            if path.name not in storage.listVolumes():
                storage.createXML(translation.document(path.stem, GIB, None))

    def delete(known: libvirt.virStorageVol, flags: int = 0) -> int:
        Path(known.path()).unlink(missing_ok=True)
        return int(forget(known, flags))

    monkeypatch.setattr(libvirt.virStorageVol, "delete", delete)
    monkeypatch.setattr(libvirt.virStoragePool, "createXMLFrom", copy)
    monkeypatch.setattr(libvirt.virStoragePool, "refresh", refresh)
    return tmp_path


async def test_a_copy_gets_its_name_when_it_is_whole(host: Host, files: Path) -> None:
    await host.ensure_pool("files", str(files))
    await host.create_volume("files", "origin", GIB)
    (files / "origin.qcow2").write_bytes(b"data")

    made = await host.copy_volume("files", "uid", GIB // 2, ("files", "origin"))

    assert (made.capacity_bytes, (files / "uid.qcow2").read_bytes()) == (GIB, b"data")
    assert not (files / "uid.copy.qcow2").exists()
    (files / "origin.qcow2").write_bytes(b"news")
    await host.copy_volume("files", "uid", GIB, ("files", "origin"))
    assert (files / "uid.qcow2").read_bytes() == b"data", "a copy that is there is kept"


async def test_what_is_left_of_a_copy_that_was_not_finished_is_made_anew(host: Host, files: Path) -> None:
    await host.ensure_pool("files", str(files))
    await host.create_volume("files", "origin", GIB)
    (files / "origin.qcow2").write_bytes(b"data")
    await host.create_volume("files", "uid.copy", GIB)
    (files / "uid.copy.qcow2").write_bytes(b"half")

    await host.copy_volume("files", "uid", GIB, ("files", "origin"))

    assert (files / "uid.qcow2").read_bytes() == b"data"


async def test_a_copy_that_is_worked_on_gets_its_name_when_that_is_done(host: Host, files: Path) -> None:
    await host.ensure_pool("files", str(files))
    await host.create_volume("files", "origin", GIB)
    (files / "origin.qcow2").write_bytes(b"data")
    for _ in range(2):
        await host.captures.begin("files", "uid", ("files", "origin"))
    (files / "uid.copy.qcow2").write_bytes(b"work")

    assert await host.volume("files", "uid") is None
    made = await host.captures.finish("files", "uid")

    assert (made.capacity_bytes, (files / "uid.qcow2").read_bytes()) == (GIB, b"work")
    assert await host.captures.finish("files", "uid") == made


async def test_a_copy_that_was_worked_on_in_vain_is_dropped(host: Host, files: Path) -> None:
    await host.ensure_pool("files", str(files))
    await host.create_volume("files", "origin", GIB)
    (files / "origin.qcow2").write_bytes(b"data")
    await host.captures.begin("files", "uid", ("files", "origin"))

    for _ in range(2):
        await host.captures.drop("files", "uid")

    assert not (files / "uid.copy.qcow2").exists()
    with pytest.raises(NotReady, match="copy"):
        await host.captures.finish("files", "uid")


async def test_a_volume_with_all_that_is_in_its_image_leaves_nothing_else_behind(host: Host, files: Path) -> None:
    await host.ensure_pool("files", str(files))
    await host.create_volume("files", "uid.linked", GIB, Path("/images/abc.qcow2"))
    (files / "uid.linked.qcow2").write_bytes(b"data")

    for _ in range(2):
        made = await host.create_whole_volume("files", "uid", GIB, Path("/images/abc.qcow2"))

    assert (made.capacity_bytes, (files / "uid.qcow2").read_bytes()) == (GIB, b"data")
    assert await host.volume("files", "uid.linked") is None


async def test_a_volume_that_a_guest_has_open_is_neither_copied_nor_wiped(
    host: Host, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await host.ensure_pool("files", str(files))
    await host.create_volume("files", "origin", GIB)
    (files / "origin.qcow2").touch()
    monkeypatch.setattr(volume, "is_open", lambda path: path.name == "origin.qcow2")

    with pytest.raises(NotReady) as caught:
        await host.copy_volume("files", "uid", GIB, ("files", "origin"))
    with pytest.raises(Busy):
        await host.wipe_volume("files", "origin")

    assert caught.value.reason == "SourceInUse"


async def test_wiping_leaves_nothing_but_zeros(host: Host, files: Path) -> None:
    await host.ensure_pool("files", str(files))
    await host.create_volume("files", "uid", GIB)
    path = files / "uid.qcow2"
    path.write_bytes(b"secret" * 1000)
    with path.open("r+b") as file:
        file.truncate(20 << 20)
        file.seek(9 << 20)
        file.write(b"secret")

    await host.wipe_volume("files", "uid")
    await host.wipe_volume("files", "unknown")

    assert (path.stat().st_size, path.read_bytes().strip(b"\0")) == (20 << 20, b"")


async def test_a_disk_in_flight_that_is_not_there_does_not_grow(host: Host, uuid: str) -> None:
    with pytest.raises(Busy):
        await host.resize_disk(uuid, "root", GIB)
    await host.start(uuid)
    await host.resize_disk(uuid, "unknown", GIB)
    await host.destroy(uuid)
