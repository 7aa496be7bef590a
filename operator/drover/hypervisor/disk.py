"""Verbs on the volumes of a pool, whatever it is made of; blocking, see `domain`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import libvirt
from drover.hypervisor import logical, rbd, volume
from drover.hypervisor.errors import found, host_trouble
from drover.hypervisor.pool import active, holds_devices
from drover.state.guest import BlockImage
from drover.state.host import VolumeFile
from drover.translation import pool as translation
from drover.translation import volume as names

FETCHED = ".fetched"
"""Ends the uid under which the data of an image is kept while it is copied to where libvirt cannot copy it."""


@dataclass(frozen=True, slots=True)
class Means:
    """What is needed on the way to a volume."""

    folder: Path
    """The agent's."""
    keys: rbd.Keys


def look(connection: libvirt.virConnect, pool: str, uid: str) -> VolumeFile | None:
    """Look a volume up."""
    storage = active(connection, pool)
    return logical.volume(storage, uid) if holds_devices(storage) else volume.volume(connection, pool, uid)


def uids(connection: libvirt.virConnect, pool: str) -> tuple[str, ...]:
    """List the volumes of a pool by their uids."""
    storage = active(connection, pool)
    return logical.volumes(storage) if holds_devices(storage) else volume.volumes(connection, pool)


def create(
    connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int, image: PurePosixPath | None, means: Means
) -> VolumeFile:
    """Make a volume unless it is there."""
    storage = active(connection, pool)
    if not holds_devices(storage):
        return volume.create(connection, pool, uid, size_bytes, image)
    if rbd.is_rbd(storage):
        return rbd.create(storage, uid, size_bytes, _sending(image, "qcow2", means) if image else None)
    content = (image, "qcow2") if image else None
    return logical.create(storage, _scratch(connection, means.folder), uid, size_bytes, content)


def create_whole(
    connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int, image: PurePosixPath | None, means: Means
) -> VolumeFile:
    """Make a volume that needs no image, with all that is in one if one is given."""
    if image is None or holds_devices(active(connection, pool)):
        return create(connection, pool, uid, size_bytes, image, means)
    return volume.create_whole(connection, pool, uid, size_bytes, image)


def grow(connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int) -> VolumeFile:
    """Make a volume larger."""
    storage = active(connection, pool)
    known = logical.look(storage, uid) if holds_devices(storage) else None
    if known is not None and rbd.is_rbd(storage):
        return rbd.grow(known, size_bytes)
    return logical.grow(known, size_bytes) if known else volume.grow(connection, pool, uid, size_bytes)


def copy(
    connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int, origin: tuple[str, str], means: Means
) -> VolumeFile:
    """Make a volume as a copy of another one, be it in a pool of another type."""
    storage = active(connection, pool)
    if not holds_devices(storage) and not rbd.is_rbd(active(connection, origin[0])):
        return volume.copy(connection, pool, uid, size_bytes, origin)
    present = look(connection, pool, uid)
    if present is not None:
        return present
    source = volume.source(connection, origin)
    size = max(size_bytes, source.info()[1])
    if rbd.is_rbd(storage):
        return rbd.create(storage, uid, size, _copying(source, means))
    with _local(connection, source, means) as (content, form):
        if not holds_devices(storage):
            return volume.copy(connection, pool, uid, size, content)
        path = PurePosixPath(content.path())
        return logical.create(storage, _scratch(connection, means.folder), uid, size, (path, form))


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


def _sending(path: PurePosixPath, form: str, means: Means) -> Callable[[BlockImage], None]:
    """What fills an image with all that is in a file or device."""
    return lambda target: rbd.send(path, form, target, means.keys)


def _copying(source: libvirt.virStorageVol, means: Means) -> Callable[[BlockImage], None]:
    """What fills an image with all that is in a volume, whatever that is."""
    storage = source.storagePoolLookupByVolume()
    if rbd.is_rbd(storage):
        return partial(rbd.copy, rbd.image(source), keys=means.keys)
    return _sending(PurePosixPath(source.path()), _form(storage), means)


def _form(storage: libvirt.virStoragePool) -> str:
    return "raw" if holds_devices(storage) else "qcow2"


@contextmanager
def _local(
    connection: libvirt.virConnect, source: libvirt.virStorageVol, means: Means
) -> Iterator[tuple[libvirt.virStorageVol, str]]:
    """Have a volume where libvirt can copy it from, and the format of its data: an image is fetched for that."""
    storage = source.storagePoolLookupByVolume()
    if not rbd.is_rbd(storage):
        yield source, _form(storage)
        return
    scratch, name = _scratch(connection, means.folder), f"{source.name()}{FETCHED}"
    logical.leave(scratch, name)
    try:
        with host_trouble("CopyFailed"):
            fetched = scratch.createXML(names.document(name, source.info()[1], None))
        rbd.fetch(rbd.image(source), PurePosixPath(fetched.path()), means.keys)
        yield fetched, "qcow2"
    finally:
        logical.leave(scratch, name)


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
