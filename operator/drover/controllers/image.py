"""Images: what the nodes report of each, summed up."""

from drover.api.kinds import IMAGE
from drover.controllers.report import tell
from drover.controllers.world import World
from drover.planning import image as planning
from drover.planning.view import view
from drover.state.resource import Key


async def reconcile(key: Key, world: World) -> None:
    """Bring what is said of one image in line."""
    resource = world.stores.images.get(key)
    if resource is None or resource.meta.deleting:
        return
    image = view(resource)
    hypervisors = [view(each) for each in world.stores.hypervisors.values()]
    status = planning.status(image, hypervisors, now=world.now())
    if status != image.status:
        await tell(IMAGE, image.meta, status, world)
