"""Verbs on the volumes of a pool, whatever it is made of; blocking, see `domain`."""

from pathlib import Path, PurePosixPath

import libvirt
from drover.hypervisor import logical, volume
from drover.hypervisor.errors import found, host_trouble
from drover.hypervisor.pool import active, holds_devices
from drover.state.host import VolumeFile
from drover.translation import pool as translation


def look(connection: libvirt.virConnect, pool: str, uid: str) -> VolumeFile | None:
    """Look a volume up."""
    storage = active(connection, pool)
    return logical.volume(storage, uid) if holds_devices(storage) else volume.volume(connection, pool, uid)


def uids(connection: libvirt.virConnect, pool: str) -> tuple[str, ...]:
    """List the volumes of a pool by their uids."""
    storage = active(connection, pool)
    return logical.volumes(storage) if holds_devices(storage) else volume.volumes(connection, pool)


def create(
    connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int, image: PurePosixPath | None, folder: Path
) -> VolumeFile:
    """Make a volume unless it is there; `folder` is the agent's, for what is needed on the way."""
    storage = active(connection, pool)
    if not holds_devices(storage):
        return volume.create(connection, pool, uid, size_bytes, image)
    return logical.create(storage, _scratch(connection, folder), uid, size_bytes, (image, "qcow2") if image else None)


def create_whole(
    connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int, image: PurePosixPath | None, folder: Path
) -> VolumeFile:
    """Make a volume that needs no image, with all that is in one if one is given."""
    if image is None or holds_devices(active(connection, pool)):
        return create(connection, pool, uid, size_bytes, image, folder)
    return volume.create_whole(connection, pool, uid, size_bytes, image)


def grow(connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int) -> VolumeFile:
    """Make a volume larger."""
    storage = active(connection, pool)
    known = logical.look(storage, uid) if holds_devices(storage) else None
    return logical.grow(known, size_bytes) if known else volume.grow(connection, pool, uid, size_bytes)


def copy(
    connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int, origin: tuple[str, str], folder: Path
) -> VolumeFile:
    """Make a volume as a copy of another one, be it in a pool of another type."""
    storage = active(connection, pool)
    if not holds_devices(storage):
        return volume.copy(connection, pool, uid, size_bytes, origin)
    known = logical.look(storage, uid)
    if known is not None:
        return logical.grow(known, 0)
    source = volume.source(connection, origin)
    form = "raw" if holds_devices(active(connection, origin[0])) else "qcow2"
    size = max(size_bytes, source.info()[1])
    return logical.create(storage, _scratch(connection, folder), uid, size, (PurePosixPath(source.path()), form))


def wipe(connection: libvirt.virConnect, pool: str, uid: str) -> None:
    """Write zeros over a volume's data."""
    storage = active(connection, pool)
    if holds_devices(storage):
        logical.wipe(connection, storage, uid)
    else:
        volume.wipe(connection, pool, uid)


def delete(connection: libvirt.virConnect, pool: str, uid: str) -> None:
    """Delete a volume."""
    storage = active(connection, pool)
    if holds_devices(storage):
        logical.delete(connection, storage, uid)
    else:
        volume.delete(connection, pool, uid)


def _scratch(connection: libvirt.virConnect, folder: Path) -> libvirt.virStoragePool:
    """The pool of what is needed on the way; nothing is ever left in it."""
    storage = found(connection.storagePoolLookupByName, logical.SCRATCH)
    if storage is None:
        storage = connection.storagePoolDefineXML(translation.folder(logical.SCRATCH, str(folder / "scratch")))
    if not storage.isActive():
        with host_trouble("PoolUnusable"):
            storage.build()
            storage.create()
    return storage
