"""Storage pools: what the nodes report of each, summed up, and what its volumes have been promised."""

from collections.abc import Sequence
from typing import Any

from drover.api.kinds import DOMAIN, POOL, VIRTUALMACHINE, VOLUME, Kind
from drover.api.pool import StoragePoolStatus
from drover.controllers.report import sum_up
from drover.controllers.world import World
from drover.planning import catalog as catalogs
from drover.planning.pool import status
from drover.planning.use import Use
from drover.planning.view import HypervisorView, PoolView, view
from drover.runtime.store import Changed
from drover.runtime.workqueue import WorkQueue
from drover.state import objects
from drover.state.resource import Key

ROOMS = "rooms"
"""What a machine refers to that asks for more in a pool than it has; the name is the pool's."""


async def reconcile(key: Key, world: World) -> None:
    """Bring what is said of one storage pool in line."""

    def summary(pool: PoolView, hypervisors: Sequence[HypervisorView], /, *, now: str, use: Use) -> StoragePoolStatus:
        return status(pool, hypervisors, now=now, use=use, promised=world.ledger.nodes(key.name))

    await sum_up(POOL, world.stores.pools.get(key), summary, world)


def callbacks(world: World, queues: dict[Kind, WorkQueue[Key]]) -> dict[Kind, Changed[Any]]:
    """Make what is called when volumes come and go, and when pools change: others may get room, or have none."""

    def moved(old: objects.Volume | None, new: objects.Volume | None) -> None:
        for pool in world.ledger.observe(view(old) if old else None, view(new) if new else None):
            if _is_bounded(world, pool):
                _tell(pool, world, queues)

    def placed(old: objects.Domain | None, new: objects.Domain | None) -> None:
        world.ledger.place(view(old) if old else None, view(new) if new else None)

    def changed(old: objects.Pool | None, new: objects.Pool | None) -> None:
        before, default = world.ledger.default, catalogs.default(view(each) for each in world.stores.pools.values())
        world.ledger.default = default
        concerned = {found.meta.key.name for found in (old, new) if found}
        for name in concerned | ({before, default} - {""} if before != default else set()):
            _tell(name, world, queues)

    return {VOLUME: moved, DOMAIN: placed, POOL: changed}


def _tell(pool: str, world: World, queues: dict[Kind, WorkQueue[Key]]) -> None:
    """Have all looked at that may get room in a pool, or may not have it any more."""
    for machine in world.links.users((ROOMS, pool)):
        queues[VIRTUALMACHINE].add(machine)
    for namespace, name in world.ledger.waiting(pool):
        queues[VOLUME].add(Key(namespace, name))


def _is_bounded(world: World, pool: str) -> bool:
    found = world.stores.pools.get(Key("", pool))
    spec = view(found).spec if found else None
    return spec is not None and bool(spec.overcommit or spec.namespace_limit)
