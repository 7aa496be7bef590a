"""Images: what the nodes report of each, summed up."""

from drover.api.kinds import IMAGE
from drover.controllers import capture
from drover.controllers.report import sum_up
from drover.controllers.world import World
from drover.planning.capture import is_captured
from drover.planning.image import status
from drover.planning.view import view
from drover.state.resource import Key


async def reconcile(key: Key, world: World) -> float | None:
    """Bring one image in line; gives the seconds until it wants to be looked at again."""
    found = world.stores.images.get(key)
    if found is not None and is_captured(view(found)):
        return await capture.reconcile(view(found), world)
    await sum_up(IMAGE, found, status, world)
    return None
