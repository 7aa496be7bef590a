"""Storage pools on this node: made where machines need them, and beforehand where every node has them."""

from drover.agent.node import Node
from drover.errors import NotReady, OperatorError
from drover.planning import pool as planning
from drover.state.host import Export, PoolFacts
from drover.state.resource import Key

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
        facts = await node.host.ensure_pool(name, path(node, name), _export(node, name))
    except OperatorError as error:
        node.shared.saw_pool(name, trouble=str(error))
        raise
    node.shared.saw_pool(name, facts=facts)
    return facts


def is_shared(node: Node, name: str) -> bool:
    """Tell whether other nodes see the same bytes in a pool; of a pool that is not known that has to be assumed."""
    pool = node.orders.pool(name)
    return pool is None or planning.is_shared(pool)


def path(node: Node, name: str) -> str:
    """Folder of a pool; `NotReady` when there is no such pool."""
    pool = node.orders.pool(name)
    if pool is None:
        raise NotReady(f"pool {name} does not exist", reason="PoolNotFound")
    return pool.spec.directory.path if pool.spec.directory else str(node.identity.state_dir / MOUNTS / name)


def _export(node: Node, name: str) -> Export | None:
    pool = node.orders.pool(name)
    nfs = pool.spec.nfs if pool else None
    return Export(nfs.server, nfs.path) if nfs else None
