"""Verbs on storage pools; blocking, see `domain`."""

import os
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import libvirt
from drover.errors import NotReady
from drover.hypervisor import rbd, zvol
from drover.hypervisor.errors import TRANSPORT, found, host_trouble
from drover.state.host import Ceph, Export, Lender, PoolFacts, Target
from drover.translation import ceph, volume
from drover.translation import pool as translation

ANSWER_SECONDS = 3.0
"""libvirt itself would wait for a server for minutes, and let nobody else ask for the pool meanwhile."""


def ensure(connection: libvirt.virConnect, pool: str, path: str, lender: Lender | None = None) -> PoolFacts:
    """Make the pool active; one of another directory is defined anew unless volumes are in it."""
    if isinstance(lender, Target):
        _reach("iSCSI server", (lender.server,), lender.port)
    if isinstance(lender, Ceph):
        _reach("Ceph monitor", lender.monitors, lender.port)
    storage = found(connection.storagePoolLookupByName, translation.name(pool))
    if storage is not None and _moved(storage, path):
        _give_up(storage, pool, path)
        storage = None
    if storage is None:
        storage = _define(connection, translation.document(pool, path, lender))
    if not storage.isActive():
        _activate(storage, f"{lender.server}:{lender.path}" if isinstance(lender, Export) else path, lender)
    with host_trouble("PoolUnusable"), _installed(translation.kind(storage.XMLDesc())):
        zvol.mark(storage)
    return _facts(storage, pool)


def pool(connection: libvirt.virConnect, pool: str) -> PoolFacts | None:
    """Look an active pool up."""
    storage = found(connection.storagePoolLookupByName, translation.name(pool))
    return _facts(storage, pool) if storage is not None and storage.isActive() else None


def names(connection: libvirt.virConnect) -> tuple[str, ...]:
    """List our pools by their StoragePools' names."""
    known = (translation.pool(storage.name()) for storage in connection.listAllStoragePools())
    return tuple(name for name in known if name is not None)


def active(connection: libvirt.virConnect, pool: str) -> libvirt.virStoragePool:
    """The pool in order to act on it."""
    storage = found(connection.storagePoolLookupByName, translation.name(pool))
    if storage is None or not storage.isActive():
        raise NotReady(f"pool {pool} is not active on this node", reason="PoolNotActive")
    return storage


def remove(connection: libvirt.virConnect, pool: str) -> None:
    """Forget the pool, unless files of volumes are in it: as long as it is known, so are the images they rest on."""
    storage = found(connection.storagePoolLookupByName, translation.name(pool))
    if storage is not None and not (storage.isActive() and holds_files(storage) and _holds_volumes(storage)):
        rbd.take_back(storage)
        _forget(storage)


def _forget(storage: libvirt.virStoragePool) -> None:
    if storage.isActive():
        if is_group(storage):
            # libvirt would deactivate every volume of the group, others' too; it forgets the pool when it is restarted.
            return
        zvol.unmark(storage)
        storage.destroy()
    found(storage.undefine)


def _moved(storage: libvirt.virStoragePool, path: str) -> bool:
    return PurePosixPath(translation.directory(storage.XMLDesc())) != PurePosixPath(path)


def _give_up(storage: libvirt.virStoragePool, pool: str, path: str) -> None:
    """Forget a pool of another directory, which nobody uses; its files stay."""
    directory = translation.directory(storage.XMLDesc())
    if storage.isActive() and is_group(storage):
        raise NotReady(
            f"pool {pool} was {directory} on this node; restart its libvirtd, and it can be {path}",
            reason="PoolUnusable",
        )
    if storage.isActive() and not rbd.is_rbd(storage) and _holds_volumes(storage):
        raise NotReady(
            f"pool {pool} is at {directory} on this node and has volumes there, so it cannot be at {path}",
            reason="PoolUnusable",
        )
    _forget(storage)


def _holds_volumes(storage: libvirt.virStoragePool) -> bool:
    with host_trouble("PoolUnusable"):
        storage.refresh()
    names = storage.listVolumes()
    return any(volume.uid(name) is not None for name in names) or bool(volume.logical_uids(names))


def _reach(what: str, servers: Collection[str], port: int) -> None:
    """Object unless one of the servers takes connections."""
    troubles = []
    for server in servers:
        try:
            socket.create_connection((server, port), ANSWER_SECONDS).close()
        except OSError as error:
            troubles.append(f"{what} {server}:{port} does not answer: {error}")
        else:
            return
    raise NotReady("; ".join(troubles), reason="PoolUnusable")


def _define(connection: libvirt.virConnect, document: str) -> libvirt.virStoragePool:
    with _installed(translation.kind(document)):
        return connection.storagePoolDefineXML(document)


def _activate(storage: libvirt.virStoragePool, what: str, lender: Lender | None) -> None:
    try:
        with _installed(translation.kind(storage.XMLDesc())):
            if holds_files(storage):
                storage.build()
            storage.create()
    except libvirt.libvirtError as error:
        if not storage.isActive():
            words = ceph.explain(lender, str(error)) if isinstance(lender, Ceph) else error
            raise NotReady(f"{what} cannot be used: {words}", reason="PoolUnusable") from error


@contextmanager
def _installed(kind: str) -> Iterator[None]:
    """Tell what is not installed on the node."""
    try:
        yield
    except libvirt.libvirtError as error:
        lacking = translation.explain(kind, str(error))
        if lacking and error.get_error_domain() not in TRANSPORT:
            raise NotReady(f"{lacking}: {error}", reason="Unsupported") from error
        raise


def _facts(storage: libvirt.virStoragePool, pool: str) -> PoolFacts:
    path = translation.directory(storage.XMLDesc())
    capacity, available = _space(storage, path)
    return PoolFacts(pool, path, capacity, available)


def _space(storage: libvirt.virStoragePool, path: str) -> tuple[int, int]:
    """Size and free room of the pool's file system, in bytes.

    libvirt knows them only as of its last refresh, and a refresh reads the header of every volume.
    """
    try:
        system = os.statvfs(path) if holds_files(storage) else None
    except OSError:
        system = None
    if system is None:
        with host_trouble("PoolUnusable"):
            zvol.refresh(storage)
        _, capacity, _, available = storage.info()
        return capacity, available
    return system.f_blocks * system.f_frsize, system.f_bavail * system.f_frsize


def holds_files(storage: libvirt.virStoragePool) -> bool:
    """Tell whether the volumes of a pool are files that the agent sees."""
    return translation.holds_files(storage.XMLDesc())


def is_group(storage: libvirt.virStoragePool) -> bool:
    """Tell whether a pool is a volume group of LVM, in which others may have volumes."""
    return translation.kind(storage.XMLDesc()) == translation.LOGICAL


def holds_devices(storage: libvirt.virStoragePool) -> bool:
    """Tell whether the volumes of a pool are devices that are made, beside those of others."""
    return translation.holds_devices(storage.XMLDesc())


def directory(storage: libvirt.virStoragePool) -> str:
    """Where the files of a pool are."""
    return translation.directory(storage.XMLDesc())


def available(storage: libvirt.virStoragePool) -> int:
    """Free room in bytes."""
    return _space(storage, directory(storage))[1]
