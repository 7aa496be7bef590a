"""LUNs on libvirt's test driver, which asks no target, and a server that only answers."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.support.fake_libvirt import make_error

import libvirt
from drover.errors import Busy, NotReady
from drover.hypervisor.host import Host
from drover.state.guest import Unit
from drover.state.host import PoolFacts, Target
from drover.translation import pool as translation

MIB = 1 << 20
TARGET = "iqn.2026-01.com.example:disks"


@pytest.fixture
def san() -> Iterator[Target]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Target("127.0.0.1", server.getsockname()[1], TARGET, "iqn.2026-01.dev.drover:n1")


async def raised(host: Host, target: Target) -> PoolFacts:
    """Have the pool of a target."""
    return await host.ensure_pool("san", translation.address(target), target)


def offer(behind: libvirt.virConnect, lun: int, size: int) -> libvirt.virStorageVol:
    """Have the target offer a LUN."""
    storage = behind.storagePoolLookupByName("drover-san")
    return storage.createXML(f"<volume><name>unit:0:0:{lun}</name><capacity>{size}</capacity></volume>")


async def test_a_lun_is_looked_up_by_its_number(host: Host, san: Target, behind: libvirt.virConnect) -> None:
    await raised(host, san)
    offer(behind, 7, 8 * MIB)

    found = await host.lun("san", 7)

    assert found is not None
    assert found.capacity_bytes == 8 * MIB
    assert await host.lun("san", 8) is None
    assert await host.volumes("san") == ()


async def test_a_pool_of_another_target_is_defined_anew(host: Host, san: Target, behind: libvirt.virConnect) -> None:
    first = await raised(host, san)
    offer(behind, 7, 8 * MIB)
    other = replace(san, name="iqn.2026-01.com.example:others")

    assert (await raised(host, san)).path == first.path
    assert (await raised(host, other)).path == translation.address(other)


async def test_a_server_that_does_not_answer_is_told_at_once(host: Host, san: Target) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    with pytest.raises(NotReady, match=f"127.0.0.1:{port} does not answer") as caught:
        await raised(host, replace(san, port=port))

    assert caught.value.reason == "PoolUnusable"


async def test_a_node_without_the_part_of_libvirt_names_its_package(
    host: Host, san: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = make_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_STORAGE)
    error.args = ("internal error: missing backend for pool type 12 (iscsi-direct)",)
    monkeypatch.setattr(libvirt.virConnect, "storagePoolDefineXML", lambda *_: (_ for _ in ()).throw(error))

    with pytest.raises(NotReady, match="libvirt-daemon-driver-storage-iscsi-direct") as caught:
        await raised(host, san)

    assert caught.value.reason == "Unsupported"


async def test_wiping_is_left_to_libvirt_unless_a_guest_has_the_lun(
    host: Host, san: Target, behind: libvirt.virConnect, monkeypatch: pytest.MonkeyPatch, uuid: str
) -> None:
    wiped: list[str] = []
    monkeypatch.setattr(libvirt.virStorageVol, "wipe", lambda known: wiped.append(known.name()))
    await raised(host, san)
    offer(behind, 7, 8 * MIB)

    await host.wipe_lun("san", Unit(san, 7))
    await host.wipe_lun("san", Unit(san, 8))
    await host.start(uuid)
    monkeypatch.setattr(libvirt.virDomain, "XMLDesc", lambda *_: f"<source name='{TARGET}/7'/>")
    with pytest.raises(Busy):
        await host.wipe_lun("san", Unit(san, 7))

    assert wiped == ["unit:0:0:7"]
