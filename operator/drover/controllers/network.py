"""Networks: what the nodes report of each, summed up."""

from drover.api.kinds import NETWORK
from drover.controllers.report import sum_up
from drover.controllers.world import World
from drover.planning.network import status
from drover.state.resource import Key


async def reconcile(key: Key, world: World) -> None:
    """Bring what is said of one network in line."""
    await sum_up(NETWORK, world.stores.networks.get(key), status, world, allocated=world.book.count(key.name))
