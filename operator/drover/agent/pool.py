"""Storage pools on this node: made where machines need them, and beforehand where every node has them."""

from pathlib import PurePosixPath

from drover.agent.node import Node
from drover.api.domain import DomainDisk
from drover.api.pool import ISCSIPool, RBDPool, StoragePoolSpec
from drover.errors import NotReady, OperatorError
from drover.planning import cephkey
from drover.planning import pool as planning
from drover.planning.view import VolumeView
from drover.state.guest import BlockDevice, BlockImage, Place, Unit
from drover.state.host import Ceph, Dataset, Export, Group, Lender, PoolFacts, Target
from drover.state.resource import Key
from drover.translation import ceph
from drover.translation import pool as translation
from drover.translation import volume as volumes

MOUNTS = "mounts"
"""Folder of the agent's own in which exports are mounted."""
INITIATOR, PORT = "iqn.2026-01.dev.drover", 3260
"""How nodes call themselves before their names, and where targets listen, unless a pool says otherwise."""
MONITOR_PORT = 3300
CHECK_SECONDS = 60.0
"""How often a pool is looked at although nothing changed: a directory may vanish."""


async def reconcile(node: Node, key: Key) -> float | None:
    """Have a pool that all nodes have, and forget one that is gone when nothing is in it; its files stay."""
    pool = node.orders.pool(key.name)
    if pool is None:
        if node.orders.primed:
            await node.host.remove_pool(key.name)
            node.host.keyring.drop(key.name)
        node.shared.missed(node.shared.pools, key.name)
        return CHECK_SECONDS if node.orders.primed and await node.host.pool(key.name) else None
    if pool.meta.deleting:
        return None
    if pool.spec.node_selector and not await _is_known(node, key.name):
        node.shared.missed(node.shared.pools, key.name)
        return None
    await ensure(node, key.name)
    return CHECK_SECONDS


async def _is_known(node: Node, name: str) -> bool:
    """Whether a pool that only some nodes have is one of this node's: a machine needed it here."""
    return node.shared.pools.get(name) is not None or await node.host.pool(name) is not None


async def ensure(node: Node, name: str) -> PoolFacts:
    """Have a pool usable on this node."""
    lender = _lender(node, name)
    try:
        if isinstance(lender, Ceph):
            await _lend(node, name)
        facts = await node.host.ensure_pool(name, path(node, name), lender)
    except OperatorError as error:
        if error.reason == "PoolUnusable":
            # A key that lets nobody in may be an old one.
            node.host.keyring.drop(name)
        node.shared.saw_pool(name, trouble=str(error))
        raise
    node.shared.saw_pool(name, facts=facts)
    return facts


async def _lend(node: Node, name: str) -> None:
    """Have libvirt know the key that a pool of Ceph is used with."""
    keyring, spec = node.host.keyring, _spec(node, name).rbd
    assert spec is not None, "only a pool of Ceph has a key"
    if not keyring.has(name):
        where = cephkey.secret(spec)
        keyring.put(name, cephkey.read(await node.pool_key(name, where), where))
    await keyring.lend(name)


def is_shared(node: Node, name: str) -> bool:
    """Tell whether other nodes see the same bytes in a pool; of a pool that is not known that has to be assumed."""
    pool = node.orders.pool(name)
    return pool is None or planning.is_shared(pool)


def is_whole(node: Node, name: str) -> bool:
    """Tell whether volumes of a pool have all their bytes of their own from the beginning."""
    spec = _spec(node, name)
    return any(each is not None for each in (spec.lvm, spec.zfs, spec.rbd, spec.iscsi))


def is_lent(node: Node, name: str) -> bool:
    """Tell whether volumes of a pool are there already, and stay when they are let go."""
    return _spec(node, name).iscsi is not None


def is_ceph(node: Node, name: str) -> bool:
    """Tell whether volumes of a pool are images of a Ceph cluster."""
    return _spec(node, name).rbd is not None


def lent(node: Node, name: str, volume: VolumeView) -> Unit | None:
    """Find the LUN that a pool gives to a volume."""
    iscsi, key = _spec(node, name).iscsi, volume.meta.key
    lun = planning.lun(node.orders.pool(name), key.namespace, key.name)
    return None if iscsi is None or lun is None else Unit(_target(node, iscsi), lun)


def path(node: Node, name: str) -> str:
    """Folder of a pool; `NotReady` when there is no such pool."""
    spec = _spec(node, name)
    if spec.lvm:
        return str(translation.device(spec.lvm.volume_group))
    if spec.zfs:
        return str(translation.zvols(spec.zfs.pool))
    if spec.iscsi:
        return translation.address(_target(node, spec.iscsi))
    if spec.rbd:
        return ceph.address(_ceph(name, spec.rbd))
    return spec.directory.path if spec.directory else str(node.identity.state_dir / MOUNTS / name)


def place(node: Node, disk: DomainDisk) -> Place:
    """Where a disk's data is on this node."""
    folder, spec = path(node, disk.pool), _spec(node, disk.pool)
    if spec.iscsi:
        return Unit(_target(node, spec.iscsi), unit(disk))
    if spec.rbd:
        return BlockImage(_ceph(disk.pool, spec.rbd), volumes.logical(disk.volume_uid))
    if is_whole(node, disk.pool):
        return BlockDevice(PurePosixPath(folder) / volumes.logical(disk.volume_uid))
    return volumes.path(folder, disk.volume_uid)


def unit(disk: DomainDisk) -> int:
    """The LUN that a disk of a pool of LUNs is; `NotReady` when it was given none."""
    if disk.lun is None:
        raise NotReady(f"disk {disk.name}: pool {disk.pool} gives no LUN to {disk.volume}", reason="LUNNotGiven")
    return disk.lun


def _target(node: Node, spec: ISCSIPool) -> Target:
    initiator = spec.initiator or f"{INITIATOR}:{node.identity.name}"
    return Target(spec.server, spec.port or PORT, spec.target, initiator)


def _ceph(name: str, spec: RBDPool) -> Ceph:
    return Ceph(tuple(spec.monitors), spec.port or MONITOR_PORT, spec.pool, spec.user, translation.name(name))


def _lender(node: Node, name: str) -> Lender | None:
    spec = _spec(node, name)
    if spec.rbd:
        return _ceph(name, spec.rbd)
    if spec.iscsi:
        return _target(node, spec.iscsi)
    if spec.lvm:
        return Group(spec.lvm.volume_group)
    if spec.zfs:
        return Dataset(spec.zfs.pool)
    return Export(spec.nfs.server, spec.nfs.path) if spec.nfs else None


def _spec(node: Node, name: str) -> StoragePoolSpec:
    pool = node.orders.pool(name)
    if pool is None:
        raise NotReady(f"pool {name} does not exist", reason="PoolNotFound")
    return pool.spec
