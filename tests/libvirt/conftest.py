"""libvirt's own test driver as the host: a real libvirt, no real guests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.blueprints import make_blueprint

import libvirt
from drover.hypervisor.host import Host, HostOptions
from drover.hypervisor.loop import ensure_event_loop
from drover.translation.domain.document import TYPES

URI = "test:///default"


@pytest.fixture(autouse=True)
def test_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's guests are of a type of its own."""
    monkeypatch.setitem(TYPES, "TCG", "test")


@pytest.fixture
def behind() -> Iterator[libvirt.virConnect]:
    """Somebody else's connection to the same libvirt, for what happens behind our back; it clears up after a test."""
    ensure_event_loop()
    connection = libvirt.open(URI)
    yield connection
    for domain in connection.listAllDomains():
        if domain.name().startswith("shop."):
            clear(domain)
    for pool in connection.listAllStoragePools():
        if pool.name().startswith("drover-"):
            drain(pool)
    connection.close()


def clear(domain: libvirt.virDomain) -> None:
    """Leave nothing of a guest, whatever it is."""
    persistent = domain.isPersistent()
    if domain.isActive():
        domain.destroy()
    if persistent:
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)


def drain(pool: libvirt.virStoragePool) -> None:
    """Leave nothing of a pool."""
    if pool.isActive():
        pool.destroy()
    pool.undefine()


@pytest.fixture
async def host(tmp_path: Path, behind: libvirt.virConnect) -> AsyncIterator[Host]:
    """A connected host."""
    async with Host(HostOptions(URI, tmp_path, boot_id="boot", starts=2)) as host:
        await host.wait_connected()
        yield host


@pytest.fixture
async def uuid(host: Host) -> str:
    """A guest that is defined and off."""
    blueprint = make_blueprint()
    await host.define(blueprint)
    return blueprint.spec.uuid
