"""Storage pools: what the nodes report of each, summed up."""

from drover.api.kinds import POOL
from drover.controllers.report import tell
from drover.controllers.world import World
from drover.planning import pool as planning
from drover.planning.view import view
from drover.state.resource import Key


async def reconcile(key: Key, world: World) -> None:
    """Bring what is said of one storage pool in line."""
    resource = world.stores.pools.get(key)
    if resource is None or resource.meta.deleting:
        return
    pool = view(resource)
    hypervisors = [view(each) for each in world.stores.hypervisors.values()]
    status = planning.status(pool, hypervisors, now=world.now())
    if status != pool.status:
        await tell(POOL, pool.meta, status, world)
