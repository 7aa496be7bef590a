"""Verbs on volumes that are among those of others: logical volumes, zvols and images; blocking, see `domain`.

All of it goes by libvirt: the agent sees no devices. A volume of ours counts once a second, tiny one tells that it is
whole, because libvirt cannot rename any. Every byte of it is written in the making: LVM hands out what others left.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import libvirt
from drover.errors import Busy, NotReady, OperatorError, Unsupported
from drover.hypervisor import zvol
from drover.hypervisor.errors import found, host_trouble
from drover.state.host import VolumeFile
from drover.translation import volume as translation

OPEN_SECONDS = 5.0
"""How soon to look again whether a volume is still open."""
PROOF_BYTES = 1 << 20
"""LVM makes an extent of it."""
NO_SPACE = ("insufficient free space", "out of space")
IN_USE = (" in use", "is used by", "is busy", "has children")
"""What LVM and ZFS say of a device that somebody has open, or has snapshots of."""
IMAGE_HELD = "failed to remove volume"
"""What libvirt says when Ceph keeps an image."""
GONE = "dataset does not exist"
"""libvirt lists zvols of datasets below as if they were in the pool itself."""
SCRATCH = "drover.scratch"
"""Pool of the files that a logical volume is filled from; none of the StoragePools' is called so."""


def look(storage: libvirt.virStoragePool, uid: str) -> libvirt.virStorageVol | None:
    """Find a volume that is whole; libvirt's list is read anew before one is said to be missing."""
    if not _is_whole(storage, uid):
        with host_trouble("PoolUnreadable"):
            zvol.refresh(storage)
    return _named(storage, translation.logical(uid)) if _is_whole(storage, uid) else None


def volume(storage: libvirt.virStoragePool, uid: str) -> VolumeFile | None:
    """Look a volume up."""
    known = look(storage, uid)
    if known is None:
        return None
    try:
        return facts(known)
    except OperatorError:
        # Another node may have deleted it since libvirt read its list.
        with host_trouble("PoolUnreadable"):
            zvol.refresh(storage)
        known = look(storage, uid)
        return None if known is None else facts(known)


def volumes(storage: libvirt.virStoragePool) -> tuple[str, ...]:
    """List our volumes by their uids."""
    with host_trouble("PoolUnreadable"):
        zvol.refresh(storage)
    return translation.logical_uids(storage.listVolumes())


def create(
    storage: libvirt.virStoragePool,
    scratch: libvirt.virStoragePool,
    uid: str,
    size_bytes: int,
    origin: tuple[PurePosixPath, str] | None,
) -> VolumeFile:
    """Make a volume unless it is there: zeros, or all that is in a file or device, given with its format."""
    known = look(storage, uid)
    if known is None:
        discard(storage, uid)
        with _filling(scratch, uid, size_bytes, origin) as content, host_trouble("CopyFailed"), _full(storage):
            known = _make(storage, translation.logical(uid), size_bytes, content, blank=origin is None)
            storage.createXML(translation.logical_document(translation.proof(uid), PROOF_BYTES))
    return facts(known)


def _make(
    storage: libvirt.virStoragePool, name: str, size_bytes: int, content: libvirt.virStorageVol, *, blank: bool
) -> libvirt.virStorageVol:
    if zvol.is_zfs(storage):
        return zvol.make(storage, name, size_bytes, None if blank else content)
    return storage.createXMLFrom(translation.logical_document(name, size_bytes), content, 0)


def grow(known: libvirt.virStorageVol, size_bytes: int) -> VolumeFile:
    """Refuse to make a volume larger: libvirt cannot."""
    if known.info()[1] < size_bytes:
        raise Unsupported(f"{known.path()} cannot grow: libvirt cannot extend volumes of its pool")
    return facts(known)


def wipe(connection: libvirt.virConnect, storage: libvirt.virStoragePool, uid: str) -> None:
    """Write zeros over a volume; `Busy` while a guest has it."""
    known = _named(storage, translation.logical(uid)) or look(storage, uid)
    if known is not None:
        _check_free(connection, known)
        if zvol.is_zfs(storage):
            zvol.wipe(known)
        else:
            known.wipe()


def delete(connection: libvirt.virConnect, storage: libvirt.virStoragePool, uid: str) -> None:
    """Delete a volume; `Busy` while a guest has it, or anybody else has its device open."""
    known = look(storage, uid) or _named(storage, translation.logical(uid))
    if known is not None:
        _check_free(connection, known)
    discard(storage, uid)


def is_attached(connection: libvirt.virConnect, known: libvirt.virStorageVol) -> bool:
    """Tell whether a guest in flight has a volume."""
    place = f"='{known.path()}'"
    guests = connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    return any(place in (found(guest.XMLDesc) or "") for guest in guests)


def _check_free(connection: libvirt.virConnect, known: libvirt.virStorageVol) -> None:
    if is_attached(connection, known):
        raise Busy(f"a guest has {known.path()}", reason="VolumeOpen", delay=OPEN_SECONDS)


def discard(storage: libvirt.virStoragePool, uid: str) -> None:
    """Delete what there is of a volume; from the first moment on it does not count as whole any more."""
    for name in (translation.proof(uid), translation.logical(uid)):
        left = _named(storage, name)
        if left is not None:
            with _open(name):
                found(left.delete)


@contextmanager
def _filling(
    scratch: libvirt.virStoragePool, uid: str, size_bytes: int, origin: tuple[PurePosixPath, str] | None
) -> Iterator[libvirt.virStorageVol]:
    """Have a file of the size that reads as zeros or as what is in the origin, and zeros from there on."""
    leave(scratch, uid)
    path, form = origin or (None, "")
    content = scratch.createXML(translation.document(uid, size_bytes, path, form))
    try:
        yield content
    finally:
        leave(scratch, uid)


def leave(scratch: libvirt.virStoragePool, uid: str) -> None:
    """Leave nothing of what was needed on the way."""
    scratch.refresh()
    left = _named(scratch, translation.name(uid))
    if left is not None:
        found(left.delete)


def _is_whole(storage: libvirt.virStoragePool, uid: str) -> bool:
    return uid in translation.logical_uids(storage.listVolumes())


def _named(storage: libvirt.virStoragePool, name: str) -> libvirt.virStorageVol | None:
    return found(storage.storageVolLookupByName, name)


def facts(known: libvirt.virStorageVol) -> VolumeFile:
    """What is said of a volume."""
    with host_trouble("VolumeUnreadable"):
        _, capacity, allocation = known.info()
    # Ceph counts the last object of an image whole, of which only a part may belong to it.
    return VolumeFile(known.path(), capacity, min(capacity, allocation))


@contextmanager
def _full(storage: libvirt.virStoragePool) -> Iterator[None]:
    """Tell that a pool has no room left."""
    try:
        yield
    except libvirt.libvirtError as error:
        if any(sign in str(error).lower() for sign in NO_SPACE):
            raise NotReady(f"pool {storage.name()} has no room left", reason="PoolFull") from error
        raise


@contextmanager
def _open(name: str) -> Iterator[None]:
    """Tell that somebody has a device open: the kernel keeps it then."""
    try:
        yield
    except libvirt.libvirtError as error:
        if GONE in str(error):
            return
        if any(sign in str(error) for sign in IN_USE):
            raise Busy(f"{name} is in use: {error}", reason="VolumeOpen", delay=OPEN_SECONDS) from error
        if IMAGE_HELD in str(error):
            # Of the true reason libvirt knows nothing: its words end with another error's.
            words = f"image {name} is not deleted yet: somebody has it open, or it has snapshots"
            raise Busy(words, reason="VolumeOpen", delay=OPEN_SECONDS) from error
        raise
