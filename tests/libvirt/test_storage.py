"""Pools and volumes on libvirt's test driver."""

import asyncio
from pathlib import Path

import pytest
from tests.support.fake_libvirt import make_error

import libvirt
from drover.errors import NotReady, Retryable
from drover.hypervisor.host import Host

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
