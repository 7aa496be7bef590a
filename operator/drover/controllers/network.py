"""Networks: what the nodes report of each, summed up."""

from drover.api.kinds import NETWORK
from drover.controllers.report import tell
from drover.controllers.world import World
from drover.planning import network as planning
from drover.planning.view import view
from drover.state.resource import Key


async def reconcile(key: Key, world: World) -> None:
    """Bring what is said of one network in line."""
    resource = world.stores.networks.get(key)
    if resource is None or resource.meta.deleting:
        return
    network = view(resource)
    hypervisors = [view(each) for each in world.stores.hypervisors.values()]
    status = planning.status(network, hypervisors, now=world.now())
    if status != network.status:
        await tell(NETWORK, network.meta, status, world)
