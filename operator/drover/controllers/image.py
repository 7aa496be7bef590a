"""Images: what the nodes report of each, summed up."""

from drover.api.kinds import IMAGE
from drover.controllers.report import sum_up
from drover.controllers.world import World
from drover.planning.image import status
from drover.state.resource import Key


async def reconcile(key: Key, world: World) -> None:
    """Bring what is said of one image in line."""
    await sum_up(IMAGE, world.stores.images.get(key), status, world)
