"""Storage pools on this node: made where machines need them, and beforehand where every node has them."""

from pathlib import PurePosixPath

from drover.agent.node import Node
from drover.api.domain import DomainDisk
from drover.api.pool import StoragePoolSpec
from drover.errors import NotReady, OperatorError
from drover.planning import pool as planning
from drover.state.guest import BlockDevice, Place
from drover.state.host import Export, Group, Lender, PoolFacts
from drover.state.resource import Key
from drover.translation import pool as translation
from drover.translation import volume as volumes

MOUNTS = "mounts"
"""Folder of the agent's own in which exports are mounted."""
CHECK_SECONDS = 60.0
"""How often a pool is looked at although nothing changed: a directory may vanish."""


async def reconcile(node: Node, key: Key) -> float | None:
    """Have a pool that all nodes have, and forget one that is gone; its files stay."""
    pool = node.orders.pool(key.name)
    if pool is None:
        if node.orders.primed:
            await node.host.remove_pool(key.name)
        node.shared.missed(node.shared.pools, key.name)
        return None
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
    try:
        facts = await node.host.ensure_pool(name, path(node, name), _lender(node, name))
    except OperatorError as error:
        node.shared.saw_pool(name, trouble=str(error))
        raise
    node.shared.saw_pool(name, facts=facts)
    return facts


def is_shared(node: Node, name: str) -> bool:
    """Tell whether other nodes see the same bytes in a pool; of a pool that is not known that has to be assumed."""
    pool = node.orders.pool(name)
    return pool is None or planning.is_shared(pool)


def is_whole(node: Node, name: str) -> bool:
    """Tell whether volumes of a pool have all their bytes of their own from the beginning."""
    return _spec(node, name).lvm is not None


def path(node: Node, name: str) -> str:
    """Folder of a pool; `NotReady` when there is no such pool."""
    spec = _spec(node, name)
    if spec.lvm:
        return str(translation.device(spec.lvm.volume_group))
    return spec.directory.path if spec.directory else str(node.identity.state_dir / MOUNTS / name)


def place(node: Node, disk: DomainDisk) -> Place:
    """Where a disk's data is on this node."""
    folder = path(node, disk.pool)
    if is_whole(node, disk.pool):
        return BlockDevice(PurePosixPath(folder) / volumes.logical(disk.volume_uid))
    return volumes.path(folder, disk.volume_uid)


def _lender(node: Node, name: str) -> Lender | None:
    spec = _spec(node, name)
    if spec.lvm:
        return Group(spec.lvm.volume_group)
    return Export(spec.nfs.server, spec.nfs.path) if spec.nfs else None


def _spec(node: Node, name: str) -> StoragePoolSpec:
    pool = node.orders.pool(name)
    if pool is None:
        raise NotReady(f"pool {name} does not exist", reason="PoolNotFound")
    return pool.spec
