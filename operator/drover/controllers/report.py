"""Telling a status: one apply, under the controller's name, to the very object that was looked at."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from drover.api.base import Model
from drover.api.kinds import Kind
from drover.controllers.world import World
from drover.metrics.registry import wrote
from drover.planning.names import MANAGER_CONTROLLER
from drover.planning.use import Use
from drover.planning.view import HypervisorView, View, view
from drover.state.resource import Body, Meta, Resource

S = TypeVar("S", bound=Model)
T = TypeVar("T", bound=Model)


class Summary(Protocol[S, T]):
    """Sums up what the nodes report of one object."""

    def __call__(self, found: View[S, T], hypervisors: Sequence[HypervisorView], /, *, now: str, use: Use) -> T:
        """Give its status."""


def content(status: Model) -> Body:
    """Write a status as the API holds it."""
    written: Body = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return written


async def tell(kind: Kind, meta: Meta, status: Model, world: World) -> None:
    """Apply a status; an object that is gone or another one now is left alone."""
    wrote(kind.name, "status")
    body = {"metadata": {"uid": meta.uid}, "status": content(status)}
    await world.cluster.apply(kind, meta.key, body, manager=MANAGER_CONTROLLER, subresource="status")


async def sum_up(
    kind: Kind, resource: Resource[S, T] | None, summary: Summary[S, T], world: World, *, allocated: int = 0
) -> None:
    """Bring what is said of something shared in line with what the nodes report of it and who uses it."""
    if resource is None or resource.meta.deleting:
        return
    found = view(resource)
    hypervisors = [view(each) for each in world.stores.hypervisors.values()]
    use = world.tally.use(kind, found.meta.key, allocated=allocated)
    status = summary(found, hypervisors, now=world.now(), use=use)
    if status != found.status:
        await tell(kind, found.meta, status, world)
