"""What is said of a storage pool: the sum of what its nodes report, and what is in it."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from drover.api.pool import PoolNode, StoragePoolStatus
from drover.planning import quantity
from drover.planning.conditions import Finding, stamp
from drover.planning.use import NOBODY, Use
from drover.planning.view import HypervisorView, PoolView

SHARED_TYPES = frozenset({"ISCSI", "NFS", "RBD"})
"""Types of which all nodes see the same bytes whatever `access` says."""
RIGID_TYPES = frozenset({"LVM", "ZFS"})
"""Types whose volumes keep the size that they were made with."""
NEWS = 50
"""One part in so many of the capacity is a change of free space that is worth telling."""


def status(
    pool: PoolView,
    hypervisors: Iterable[HypervisorView],
    *,
    now: str,
    use: Use = NOBODY,
    promised: Mapping[str, int] = MappingProxyType({}),
) -> StoragePoolStatus:
    """Sum up the pool; `promised` are bytes by node."""
    before = {node.name: node for node in pool.status.nodes or []}
    nodes = [
        _steady(before.get(each.meta.key.name), _named(reported, each.meta.key.name, promised))
        for each in hypervisors
        for reported in each.status.pools or []
        if reported.name == pool.meta.key.name
    ]
    nodes.sort(key=lambda node: node.name)
    found = ready([(node.name, node.ready, node.message) for node in nodes])
    return StoragePoolStatus(
        observed_generation=pool.meta.generation,
        conditions=stamp([found], pool.status.conditions or [], now=now, generation=pool.meta.generation),
        capacity=_all(pool, [node.capacity for node in nodes]),
        allocated=_all(pool, [node.allocated for node in nodes]),
        promised=quantity.binary(sum(promised.values())) if promised else None,
        in_use_count=use.count,
        in_use_by=use.told,
        nodes=nodes or None,
    )


def is_shared(pool: PoolView | None) -> bool:
    """Tell whether all nodes of a pool see the same bytes; of a pool that is not known that is not assumed."""
    return pool is not None and (pool.spec.access == "Shared" or pool.spec.type in SHARED_TYPES)


def lun(pool: PoolView | None, namespace: str, volume: str) -> int | None:
    """Find the LUN that a pool gives to a volume."""
    given = pool.spec.iscsi.luns if pool and pool.spec.iscsi else ()
    return next((each.lun for each in given if each.volume == f"{namespace}/{volume}"), None)


def ready(reports: Sequence[tuple[str, bool, str]]) -> Finding:
    """Find out whether something is usable on every node that reports it: node, whether it is, why not."""
    if not reports:
        return Finding("Ready", "Unknown", "NotReported", "no node reports it")
    failing = [f"{node}: {message or 'not ready'}" for node, usable, message in reports if not usable]
    if failing:
        return Finding("Ready", "False", "NotReadyOnNode", "; ".join(failing))
    return Finding("Ready", "True", "Ready")


def _named(node: PoolNode, name: str, promised: Mapping[str, int]) -> PoolNode:
    size = promised.get(name)
    return node.model_copy(update={"name": name, "promised": quantity.binary(size) if size else None})


def _all(pool: PoolView, sizes: Iterable[str | None]) -> str | None:
    """Add up what is known; what all nodes see is there once."""
    known = [quantity.whole(size) for size in sizes if size is not None]
    if not known:
        return None
    return quantity.readable(max(known) if is_shared(pool) else sum(known))


def _steady(before: PoolNode | None, now: PoolNode) -> PoolNode:
    """Keep the figures of space until they have changed by a noticeable part: they never stand still by themselves."""
    if before is None or before.available is None or now.available is None or before.capacity != now.capacity:
        return now
    change = abs(quantity.whole(before.available) - quantity.whole(now.available))
    small = change * NEWS < quantity.whole(now.capacity or 0)
    kept = {"available": before.available, "allocated": before.allocated or now.allocated}
    return now.model_copy(update=kept) if small else now
