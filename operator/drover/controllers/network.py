"""Networks: what the nodes report of each, summed up."""

from collections.abc import Sequence
from typing import Any

from drover.api.kinds import NETWORK, VIRTUALMACHINE, Kind
from drover.api.network import VirtualNetworkStatus
from drover.controllers.report import sum_up
from drover.controllers.world import World
from drover.planning.conditions import find
from drover.planning.network import status
from drover.planning.use import Use
from drover.planning.view import HypervisorView, NetworkView, view
from drover.runtime.store import Changed
from drover.runtime.workqueue import WorkQueue
from drover.state import objects
from drover.state.resource import Key


async def reconcile(key: Key, world: World) -> None:
    """Bring what is said of one network in line.

    One after the other: of two that ask for the same, the second is judged when it is known what was said of the first.
    """
    async with world.judging:
        await _sum_up(key, world)


async def _sum_up(key: Key, world: World) -> None:
    others = [view(each) for each in world.stores.networks.values()]

    def summary(
        network: NetworkView, hypervisors: Sequence[HypervisorView], /, *, now: str, use: Use
    ) -> VirtualNetworkStatus:
        return status(network, hypervisors, others, now=now, use=use)

    await sum_up(NETWORK, world.stores.networks.get(key), summary, world, allocated=world.book.count(key.name))


def callbacks(world: World, queues: dict[Kind, WorkQueue[Key]]) -> dict[Kind, Changed[Any]]:
    """Make what is called when a network comes, goes, or is accepted or not any more: that concerns others."""

    def changed(old: objects.Network | None, new: objects.Network | None) -> None:
        if old is not None and new is not None and _accepted(old) == _accepted(new):
            return
        # Another controller, that believed to lead a moment longer, may have accepted one that goes against ours.
        for key in world.caches.store(NETWORK).names():
            queues[NETWORK].add(key)
        if old is not None and new is not None:
            for key in world.links.users((NETWORK.plural, new.meta.key.name), (NETWORK.plural, "")):
                queues[VIRTUALMACHINE].add(key)

    return {NETWORK: changed}


def _accepted(network: objects.Network) -> str:
    found = find(view(network).status.conditions, "Accepted")
    return found.status if found else ""
