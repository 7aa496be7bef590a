"""Storage pools: what the nodes report of each, summed up."""

from drover.api.kinds import POOL
from drover.controllers.report import sum_up
from drover.controllers.world import World
from drover.planning.pool import status
from drover.state.resource import Key


async def reconcile(key: Key, world: World) -> None:
    """Bring what is said of one storage pool in line."""
    await sum_up(POOL, world.stores.pools.get(key), status, world)
