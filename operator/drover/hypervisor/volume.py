"""Verbs on the disk files of a pool; blocking, see `domain`."""

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import libvirt
from drover.errors import Busy, NotReady
from drover.hypervisor import logical
from drover.hypervisor.errors import found, host_trouble
from drover.hypervisor.pool import active, available, directory, holds_devices
from drover.state.host import VolumeFile
from drover.translation import encryption
from drover.translation import volume as translation

Origin: TypeAlias = tuple[str, str] | libvirt.virStorageVol
"""A volume to be copied: by pool and uid, or one of libvirt's that nobody else knows."""
SPARE_BYTES = 4 << 20
"""Room a pool must have for another volume: an empty qcow2 file and its tables."""
NO_SPACE = "No space left on device"
OPEN_SECONDS = 5.0
"""How soon to look again whether a volume that is to go is still open."""
OFD_GETLK = 36
"""F_OFD_GETLK of fcntl.h: asks for locks of open files, which QEMU takes."""
ZEROS = bytes(4 << 20)
LOCKED_FROM, LOCKED_BYTES = 100, 200
"""Bytes of a disk file that QEMU locks: one for each thing it does, one for each that nobody else may do."""


def volume(connection: libvirt.virConnect, pool: str, uid: str) -> VolumeFile | None:
    """Look a volume up."""
    known = _lookup(active(connection, pool), uid)
    return None if known is None else _facts(known)


def volumes(connection: libvirt.virConnect, pool: str) -> tuple[str, ...]:
    """List the volumes of a pool by their uids, as the directory is now."""
    storage = active(connection, pool)
    storage.refresh()
    uids = (translation.uid(name) for name in storage.listVolumes())
    return tuple(uid for uid in uids if uid is not None)


def create(
    connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int, image: PurePosixPath | None
) -> VolumeFile:
    """Make a volume unless it is there."""
    storage = active(connection, pool)
    known = _lookup(storage, uid)
    return _facts(_make(storage, uid, size_bytes, image) if known is None else known)


def create_whole(
    connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int, image: PurePosixPath
) -> VolumeFile:
    """Make a volume with all that is in an image, so that it needs no image on whatever node it is used."""
    storage = active(connection, pool)
    if _lookup(storage, uid) is None:
        create(connection, pool, translation.linked(uid), size_bytes, image)
    made = copy(connection, pool, uid, size_bytes, (pool, translation.linked(uid)))
    _discard(storage, translation.linked(uid))
    return made


def grow(connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int) -> VolumeFile:
    """Make a volume larger."""
    known = _lookup(active(connection, pool), uid)
    if known is None:
        raise NotReady(f"volume {uid} is not in pool {pool}", reason="VolumeLost")
    if known.info()[1] < size_bytes:
        with full(pool):
            known.resize(size_bytes)
    return _facts(known)


def copy(connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int, origin: Origin) -> VolumeFile:
    """Make a volume as a copy of another one; it gets its name when it is whole."""
    storage = active(connection, pool)
    known = _lookup(storage, uid) or _known_to_the_directory(storage, uid)
    if known is None:
        copied = begin_copy(connection, pool, uid, size_bytes, origin)
        known = _settled(storage, uid, Path(copied.path))
    return _facts(known)


def begin_copy(connection: libvirt.virConnect, pool: str, uid: str, size_bytes: int, origin: Origin) -> VolumeFile:
    """Make a copy that does not have the volume's name yet, anew if there is one."""
    storage = active(connection, pool)
    _discard(storage, translation.unfinished(uid))
    whole = source(connection, origin) if isinstance(origin, tuple) else origin
    return _facts(_copied(storage, translation.unfinished(uid), size_bytes, whole))


def finish_copy(connection: libvirt.virConnect, pool: str, uid: str) -> VolumeFile:
    """Give a copy that was begun the name of its volume, unless that is there."""
    storage = active(connection, pool)
    known = _lookup(storage, uid)
    if known is None:
        path = Path(directory(storage)) / translation.name(translation.unfinished(uid))
        if not path.exists():
            raise NotReady(f"the copy that was to be volume {uid} went from pool {pool}", reason="CopyFailed")
        known = _settled(storage, uid, path)
    return _facts(known)


def drop_copy(connection: libvirt.virConnect, pool: str, uid: str) -> None:
    """Delete a copy that was begun."""
    _discard(active(connection, pool), translation.unfinished(uid))


def made(connection: libvirt.virConnect, pool: str, uid: str, write: Callable[[PurePosixPath], None]) -> VolumeFile:
    """Make a volume by something else than libvirt, unless it is there; it gets its name when it is whole."""
    storage = active(connection, pool)
    known = _lookup(storage, uid)
    if known is None:
        _check_room(storage)
        _discard(storage, translation.unfinished(uid))
        path = Path(directory(storage)) / translation.name(translation.unfinished(uid))
        write(PurePosixPath(path))
        known = _settled(storage, uid, path)
    return _facts(known)


def _settled(storage: libvirt.virStoragePool, uid: str, path: Path) -> libvirt.virStorageVol:
    """Give a file that is whole the name of its volume."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.rename(path.with_name(translation.name(uid)))
    known = _known_to_the_directory(storage, uid)
    if known is None:
        raise NotReady(f"the file of volume {uid} went from pool {storage.name()}", reason="CopyFailed")
    return known


def source(connection: libvirt.virConnect, origin: tuple[str, str]) -> libvirt.virStorageVol:
    """Find what is to be copied; not while a guest writes it."""
    pool, uid = origin
    storage = active(connection, pool)
    known = logical.look(storage, uid) if holds_devices(storage) else _lookup(storage, uid)
    if known is None:
        raise NotReady(f"volume {uid}, which is to be copied, is not in pool {pool} of this node", reason="SourceLost")
    if logical.is_attached(connection, known) if holds_devices(storage) else is_open(Path(known.path())):
        raise NotReady("the volume to be copied is in use: its machine is on", reason="SourceInUse", delay=OPEN_SECONDS)
    return known


def _copied(
    storage: libvirt.virStoragePool, uid: str, size_bytes: int, origin: libvirt.virStorageVol
) -> libvirt.virStorageVol:
    size = max(size_bytes, origin.info()[1])
    with host_trouble("CopyFailed"), full(storage.name()):
        made = storage.createXMLFrom(translation.document(uid, size, None), origin, 0)
        if made.info()[1] < size:
            made.resize(size)
    return made


def _discard(storage: libvirt.virStoragePool, uid: str) -> None:
    """Delete what was only needed on the way, or is not whole."""
    left = found(storage.storageVolLookupByName, translation.name(uid))
    if left is not None:
        found(left.delete)
    # libvirt does not hear of what qemu-img began.
    Path(directory(storage), translation.name(uid)).unlink(missing_ok=True)


def wipe(connection: libvirt.virConnect, pool: str, uid: str) -> None:
    """Write zeros over a volume's data, or the keys to them; `Busy` while a guest has it open."""
    storage = active(connection, pool)
    known = found(storage.storageVolLookupByName, translation.name(uid)) or _known_to_the_directory(storage, uid)
    if known is None:
        return
    path = Path(known.path())
    if is_open(path):
        raise Busy(f"a guest has volume {uid} open", reason="VolumeOpen", delay=OPEN_SECONDS)
    with suppress(FileNotFoundError):
        _zero(path)


def _zero(path: Path) -> None:
    file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        keys = encryption.keys(os.pread(file, encryption.HEAD_BYTES, 0))
        # Nothing encrypted can be read again without what its header holds, the passphrase known or not.
        for start, end in (keys,) if keys else _extents(file):
            for offset in range(start, end, len(ZEROS)):
                os.pwrite(file, ZEROS[: end - offset], offset)
        os.fsync(file)
    finally:
        os.close(file)


def _extents(file: int) -> Iterator[tuple[int, int]]:
    """Find the parts of a file that are not holes."""
    end = 0
    while True:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


def delete(connection: libvirt.virConnect, pool: str, uid: str) -> None:
    """Delete a volume's file; `Busy` while a guest has it open, whoever speaks for that guest."""
    storage = active(connection, pool)
    known = found(storage.storageVolLookupByName, translation.name(uid)) or _known_to_the_directory(storage, uid)
    for left in (translation.unfinished(uid), translation.linked(uid)):
        _discard(storage, left)
    if known is None:
        return
    if is_open(Path(known.path())):
        raise Busy(f"a guest has volume {uid} open", reason="VolumeOpen", delay=OPEN_SECONDS)
    try:
        known.delete()
    except libvirt.libvirtError:
        # Its file may be gone already; then the directory, read anew, does not have it.
        if _known_to_the_directory(storage, uid) is not None:
            raise


def is_open(path: Path) -> bool:
    """Tell whether some QEMU has a disk file open: it holds locks on single bytes of it for as long."""
    if not path.exists():
        return False
    wanted = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, LOCKED_FROM, LOCKED_BYTES, 0)
    with path.open("r+b") as file:
        lock = fcntl.fcntl(file, OFD_GETLK, wanted)
    return bool(struct.unpack("hhqqi4x", lock)[0] != fcntl.F_UNLCK)


def _lookup(storage: libvirt.virStoragePool, uid: str) -> libvirt.virStorageVol | None:
    """Find a volume whose file is really there; libvirt's list may be older than the directory."""
    known = found(storage.storageVolLookupByName, translation.name(uid))
    if known is None and (Path(directory(storage)) / translation.name(uid)).exists():
        # Another node made it, where several see the same directory, or somebody brought it back.
        known = _known_to_the_directory(storage, uid)
    return known if known is not None and _capacity(known) else None


def _known_to_the_directory(storage: libvirt.virStoragePool, uid: str) -> libvirt.virStorageVol | None:
    """Find a volume by reading the directory anew: libvirt does not hear of files that come and go."""
    with host_trouble("PoolUnreadable"):
        storage.refresh()
    return found(storage.storageVolLookupByName, translation.name(uid))


def _capacity(known: libvirt.virStorageVol) -> int | None:
    """Size of the disk in the volume's file in bytes, 0 when the file is empty; None when it is gone.

    A file that cannot be read may hold data all the same: that is an error, never an absence.
    """
    with host_trouble("VolumeUnreadable"):
        info = found(known.info)
    return None if info is None else int(info[1])


def _make(
    storage: libvirt.virStoragePool, uid: str, size_bytes: int, image: PurePosixPath | None
) -> libvirt.virStorageVol:
    _check_room(storage)
    document = translation.document(uid, size_bytes, image)
    with full(storage.name()):
        try:
            return storage.createXML(document)
        except libvirt.libvirtError:
            return _known_after_all(storage, uid) or storage.createXML(document)


def _check_room(storage: libvirt.virStoragePool) -> None:
    if available(storage) < SPARE_BYTES:
        raise NotReady(f"pool {storage.name()} has no room left", reason="PoolFull")


def _known_after_all(storage: libvirt.virStoragePool, uid: str) -> libvirt.virStorageVol | None:
    """Find a file that libvirt had not heard of, or forget one that is gone, by reading the directory anew."""
    known = _known_to_the_directory(storage, uid)
    capacity = None if known is None else _capacity(known)
    if known is None or capacity is None:
        return None
    if capacity:
        return known
    # Empty: power was lost in the making, nothing was ever in it.
    known.delete()
    return None


def _facts(known: libvirt.virStorageVol) -> VolumeFile:
    _, capacity, allocation = known.info()
    return VolumeFile(known.path(), capacity, allocation)


@contextmanager
def full(pool: str) -> Iterator[None]:
    """Tell that a pool ran out of room."""
    try:
        yield
    except libvirt.libvirtError as error:
        if NO_SPACE in str(error):
            raise NotReady(f"pool {pool} has no room left", reason="PoolFull") from error
        raise
