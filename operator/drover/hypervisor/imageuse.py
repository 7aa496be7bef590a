"""Which cached images the node's guests and volumes rest on, of those that are off too; blocking, see `domain`."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import libvirt
from drover.errors import NotReady
from drover.hypervisor.errors import found, host_trouble
from drover.hypervisor.pool import holds_files
from drover.translation import imagename
from drover.translation import pool as translation


def named(connection: libvirt.virConnect) -> frozenset[str]:
    """Digests that any guest's definition or any volume's header names; `NotReady` when that cannot be known."""
    seen: set[str] = set()
    for domain in connection.listAllDomains():
        seen |= imagename.digests(" ".join(_definitions(domain)))
    for storage in connection.listAllStoragePools():
        # Volumes that are no files have all their bytes of their own.
        if translation.pool(storage.name()) is not None and holds_files(storage):
            seen |= _volumes(storage)
    return frozenset(seen)


def _definitions(domain: libvirt.virDomain) -> Iterator[str]:
    """A guest as it runs, as it is to start next, and as it was saved."""
    asks = (
        domain.XMLDesc,
        lambda: domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE),
        lambda: domain.managedSaveGetXMLDesc() if domain.hasManagedSaveImage() else "",
        lambda: " ".join(each.getXMLDesc() for each in domain.listAllSnapshots()),
    )
    yield from (text for ask in asks if (text := found(ask)))


def _volumes(storage: libvirt.virStoragePool) -> frozenset[str]:
    if not storage.isActive():
        raise NotReady(f"pool {storage.name()} is not active, so its volumes cannot be looked at", reason="PoolUnknown")
    with host_trouble("PoolUnreadable"):
        storage.refresh()
        paths = [Path(volume.path()) for volume in storage.listAllVolumes()]
    return frozenset().union(*(rests_on(path) for path in paths))


def rests_on(path: Path) -> frozenset[str]:
    """Digest of the image that a disk file rests on; what cannot be read is an error, never an absence."""
    with suppress(FileNotFoundError):
        # A network volume has a name instead of a path.
        if not path.is_absolute():
            return frozenset()
        return imagename.digests(_backing(path))
    return frozenset()


def _backing(path: Path) -> str:
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not (stat.S_ISREG(os.fstat(file).st_mode) or stat.S_ISBLK(os.fstat(file).st_mode)):
            return ""
        place = imagename.backing(os.pread(file, imagename.HEAD_BYTES, 0))
        return os.pread(file, place[1], place[0]).decode(errors="replace") if place else ""
    finally:
        os.close(file)
