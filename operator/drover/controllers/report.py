"""Telling a status: one apply, under the controller's name, to the very object that was looked at."""

from drover.api.base import Model
from drover.api.kinds import Kind
from drover.controllers.world import World
from drover.metrics.registry import wrote
from drover.planning.names import MANAGER_CONTROLLER
from drover.state.resource import Body, Meta


def content(status: Model) -> Body:
    """Write a status as the API holds it."""
    written: Body = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return written


async def tell(kind: Kind, meta: Meta, status: Model, world: World) -> None:
    """Apply a status; an object that is gone or another one now is left alone."""
    wrote(kind.name, "status")
    body = {"metadata": {"uid": meta.uid}, "status": content(status)}
    await world.cluster.apply(kind, meta.key, body, manager=MANAGER_CONTROLLER, subresource="status")
