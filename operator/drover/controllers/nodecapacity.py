"""Nodes are said to have the devices that their agents offer: the scheduler books them, and quotas count them."""

import asyncio

from drover.api.kinds import HYPERVISOR, NODE
from drover.controllers.duenodes import DueNodes
from drover.controllers.world import World
from drover.metrics.registry import wrote
from drover.planning.nodecapacity import COUNTED, recount
from drover.planning.view import view
from drover.runtime.patience import patiently
from drover.state.resource import Key

PAUSE_SECONDS = 1.0
ANNOTATION = f"drover.dev/{COUNTED}"


class Counter:
    """Counts the devices of the nodes of which something changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._due = DueNodes(world)

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            await patiently("count the devices of nodes", self.count)
            await asyncio.sleep(PAUSE_SECONDS)

    async def count(self) -> None:
        """Count on every node that is said to have something else than its agent tells."""
        await self._due.each(self._count)

    async def _count(self, key: Key) -> None:
        node, hypervisor = (self._world.caches.store(kind).get(key) for kind in (NODE, HYPERVISOR))
        if node is None or hypervisor is None:
            return
        wanted = recount(node, view(hypervisor))
        if wanted is not None:
            wrote(NODE.name, "status")
            await self._world.cluster.count(NODE, node.meta, wanted.resources, {ANNOTATION: wanted.annotation})
