"""Verbs on images of a pool of Ceph where they differ from those on logical volumes; blocking, see `domain`.

libvirt makes, enlarges, wipes and deletes them, and writes into none: qemu-img does. A new image reads as zeros.
"""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath

import libvirt
from drover.errors import NotReady, Retryable
from drover.hypervisor import logical
from drover.hypervisor.errors import found, host_trouble
from drover.state.guest import BlockImage
from drover.state.host import CephKey, VolumeFile
from drover.translation import ceph, pool
from drover.translation import volume as translation
from drover.translation.xml import parse

Keys = Mapping[str, CephKey]
"""What opens each pool, by StoragePool."""
COPY_SECONDS = 6 * 3600
WORDS = 500
SPARE_BYTES = 4 << 20
"""Room that the cluster must have for another image: full, it would keep whoever writes waiting."""
KIND = libvirt.VIR_SECRET_USAGE_TYPE_CEPH


def is_rbd(storage: libvirt.virStoragePool) -> bool:
    """Tell whether a pool is one of Ceph."""
    return pool.kind(storage.XMLDesc()) == pool.RBD


def lend(connection: libvirt.virConnect, name: str, key: CephKey) -> None:
    """Have libvirt know the key of a StoragePool."""
    purpose = pool.name(name)
    known = found(connection.secretLookupByUsage, KIND, purpose)
    known = known or connection.secretDefineXML(ceph.secret(purpose))
    known.setValue(key.value)


def take_back(storage: libvirt.virStoragePool) -> None:
    """Have libvirt forget the key of a pool that is given up."""
    if is_rbd(storage):
        known = found(storage.connect().secretLookupByUsage, KIND, storage.name())
        if known is not None:
            found(known.undefine)


def image(known: libvirt.virStorageVol) -> BlockImage:
    """Where an image is."""
    storage = known.storagePoolLookupByVolume()
    return BlockImage(ceph.read(parse(storage.XMLDesc())), known.name())


def create(
    storage: libvirt.virStoragePool, uid: str, size_bytes: int, fill: Callable[[BlockImage], None] | None = None
) -> VolumeFile:
    """Make an image unless it is there: zeros, or what `fill` writes into it and zeros from there on."""
    known = logical.look(storage, uid)
    if known is None:
        logical.discard(storage, uid)
        if storage.info()[3] < SPARE_BYTES:
            raise NotReady(f"pool {storage.name()} has no room left", reason="PoolFull")
        with host_trouble("CopyFailed"):
            known = storage.createXML(translation.logical_document(translation.logical(uid), size_bytes))
            if fill is not None:
                fill(image(known))
            storage.createXML(translation.logical_document(translation.proof(uid), logical.PROOF_BYTES))
    return logical.facts(known)


def grow(known: libvirt.virStorageVol, size_bytes: int) -> VolumeFile:
    """Make an image larger; never smaller."""
    if known.info()[1] < size_bytes:
        with host_trouble("VolumeUnreadable"):
            known.resize(size_bytes)
    return logical.facts(known)


def send(path: PurePosixPath, form: str, target: BlockImage, keys: Keys) -> None:
    """Write all that is in a file or device of the format `form` into a new image."""
    _convert(ceph.sending(path, form, target), {ceph.TARGET: target}, keys)


def fetch(origin: BlockImage, path: PurePosixPath, keys: Keys) -> None:
    """Write all that is in an image into a new qcow2 file."""
    _convert(ceph.fetching(origin, path), {ceph.SOURCE: origin}, keys)


def copy(origin: BlockImage, target: BlockImage, keys: Keys) -> None:
    """Write all that is in an image into a new one."""
    _convert(ceph.copying(origin, target), {ceph.SOURCE: origin, ceph.TARGET: target}, keys)


def _convert(words: ceph.Words, images: Mapping[str, BlockImage], keys: Keys) -> None:
    opened = {name: _key(each, keys) for name, each in images.items()}
    with _in_memory(opened) as numbers, _in_memory({"bounds": ceph.BOUNDS.encode()}) as settings:
        _run(ceph.conversion(words, numbers), (*numbers.values(), *settings.values()), settings["bounds"])


def _key(image: BlockImage, keys: Keys) -> bytes:
    key = keys.get(pool.pool(image.ceph.purpose) or "")
    if key is None:
        raise NotReady(f"the key of {ceph.address(image.ceph)} is not here yet", reason="PoolNotActive")
    return key.value


@contextmanager
def _in_memory(contents: Mapping[str, bytes]) -> Iterator[dict[str, int]]:
    """Hold contents in files that no file system has, and that only who is given them can open."""
    numbers: dict[str, int] = {}
    try:
        for name, content in contents.items():
            numbers[name] = os.memfd_create(name)
            os.write(numbers[name], content)
        yield numbers
    finally:
        for number in numbers.values():
            os.close(number)


def _run(words: ceph.Words, files: tuple[int, ...], settings: int) -> None:
    """Run qemu-img; keys reach it by files of this process' memory, which no list of processes shows."""
    known = os.environ | {"CEPH_CONF": f"/dev/fd/{settings}"}
    try:
        ended = subprocess.run(
            ["qemu-img", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COPY_SECONDS,
            check=False,
            pass_fds=files,
            env=known,
        )
    except subprocess.TimeoutExpired as error:
        raise Retryable("qemu-img did not come to an end", reason="CopyFailed") from error
    if ended.returncode != 0:
        raise _trouble(ended.stderr.decode(errors="replace").strip())


def _trouble(complaint: str) -> Retryable:
    if ceph.NO_DRIVER in complaint.lower():
        words = f"the agent's qemu-img lacks the package {ceph.PACKAGE}: {complaint[:WORDS]}"
        return NotReady(words, reason="Unsupported")
    return Retryable(f"qemu-img: {complaint[:WORDS]}", reason="CopyFailed")
