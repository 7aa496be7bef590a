"""Verbs on zvols where they differ from those on logical volumes; blocking, see `domain`.

libvirt can make and delete zvols, and write into them what it is sent, but fill none from another volume and wipe none.
A new zvol reads as zeros. Of a pool of ZFS that went libvirt says that it is empty: a tiny zvol tells that it is there.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import libvirt
from drover.errors import NotReady
from drover.hypervisor.errors import found
from drover.translation import pool
from drover.translation import volume as translation

DEVICE_SECONDS, POLL_SECONDS = 10.0, 0.1
"""How long the node may take to make the device of a new zvol, and how often to look."""
NO_DEVICE = "No such file or directory"
SIGN_BYTES = 1 << 20
PIECE_BYTES = 256 * 1000
"""What libvirt takes at once."""
SPARSE = libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM


def is_zfs(storage: libvirt.virStoragePool) -> bool:
    """Tell whether a pool is one of ZFS."""
    return pool.kind(storage.XMLDesc()) == pool.ZFS


def refresh(storage: libvirt.virStoragePool) -> None:
    """Have libvirt read the list of a pool anew, whatever its kind; `NotReady` when a pool of ZFS is not there."""
    storage.refresh()
    if is_zfs(storage) and not _is_marked(storage):
        words = f"{pool.directory(storage.XMLDesc())} is not there: libvirt does not find {translation.HERE} in it"
        raise NotReady(words, reason="PoolUnusable")


def mark(storage: libvirt.virStoragePool) -> None:
    """Have the zvol that tells that a pool of ZFS is there, which cannot be made unless it is."""
    if not is_zfs(storage):
        return
    storage.refresh()
    if not _is_marked(storage):
        storage.createXML(translation.logical_document(translation.HERE, SIGN_BYTES))


def unmark(storage: libvirt.virStoragePool) -> None:
    """Leave nothing of ours in a pool of ZFS that is given up; of one that is not there nothing is left."""
    sign = found(storage.storageVolLookupByName, translation.HERE)
    if sign is not None:
        with suppress(libvirt.libvirtError):
            sign.delete()


def _is_marked(storage: libvirt.virStoragePool) -> bool:
    return translation.HERE in storage.listVolumes()


def make(
    storage: libvirt.virStoragePool, name: str, size_bytes: int, content: libvirt.virStorageVol | None
) -> libvirt.virStorageVol:
    """Make a zvol of zeros, or of what is in a file of the scratch pool and zeros from there on."""
    made = storage.createXML(translation.logical_document(name, size_bytes))
    if content is not None:
        with _flat(content) as path, path.open("rb") as file:
            _pour(made, file)
    # libvirt believes that a new zvol is as large as whichever is listed last.
    storage.refresh()
    return made


def wipe(known: libvirt.virStorageVol) -> None:
    """Write zeros over a zvol."""
    _, size, _ = known.info()
    with _stream(known, size, 0) as stream:
        for start in range(0, size, PIECE_BYTES):
            stream.send(bytes(min(PIECE_BYTES, size - start)))


@contextmanager
def _flat(content: libvirt.virStorageVol) -> Iterator[Path]:
    """Have every byte of a file as it is read, in a file of its own beside it."""
    scratch, name = content.storagePoolLookupByVolume(), translation.flat(content.name())
    _leave(scratch, name)
    try:
        yield Path(scratch.createXMLFrom(translation.flat_document(name, content.info()[1]), content, 0).path())
    finally:
        _leave(scratch, name)


def _leave(scratch: libvirt.virStoragePool, name: str) -> None:
    scratch.refresh()
    left = found(scratch.storageVolLookupByName, name)
    if left is not None:
        found(left.delete)


def _pour(made: libvirt.virStorageVol, file: BinaryIO) -> None:
    """Write a file into a zvol; its holes are told, not sent."""
    size, at = os.fstat(file.fileno()).st_size, 0
    with _stream(made, size, SPARSE) as stream:
        for start, end in _extents(file.fileno(), size):
            if start > at:
                stream.sendHole(start - at)
            for piece in range(start, end, PIECE_BYTES):
                stream.send(os.pread(file.fileno(), min(PIECE_BYTES, end - piece), piece))
            at = end
        if size > at:
            stream.sendHole(size - at)


def _extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where there is data in a file."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


@contextmanager
def _stream(known: libvirt.virStorageVol, size_bytes: int, flags: int) -> Iterator[libvirt.virStream]:
    """Have a way to write into a zvol, which is written once this ends well."""
    stream = _opened(known, size_bytes, flags)
    try:
        yield stream
    except BaseException:
        stream.abort()
        raise
    stream.finish()


def _opened(known: libvirt.virStorageVol, size_bytes: int, flags: int) -> libvirt.virStream:
    """Begin to write into a zvol, once its device is there."""
    deadline = time.monotonic() + DEVICE_SECONDS
    while True:
        stream = known.connect().newStream()
        try:
            known.upload(stream, 0, size_bytes, flags)
        except libvirt.libvirtError as error:
            if NO_DEVICE not in str(error) or time.monotonic() > deadline:
                raise
        else:
            return stream
        time.sleep(POLL_SECONDS)
