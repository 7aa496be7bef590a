"""Nodes are labelled as their agents report: machines are placed where the hypervisor is ready, with no hand's help."""

import asyncio

from drover.api.kinds import HYPERVISOR, NODE
from drover.controllers.duenodes import DueNodes
from drover.controllers.world import World
from drover.metrics.registry import wrote
from drover.planning.anchor import LABEL_HYPERVISOR
from drover.planning.nodelabel import relabel
from drover.planning.view import view
from drover.runtime.patience import patiently
from drover.state.resource import Key

PAUSE_SECONDS = 1.0


class Labeller:
    """Labels the nodes of which something changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._silent: frozenset[str] = frozenset()
        self._due = DueNodes(world)

    async def run(self) -> None:
        """Label nodes until cancelled."""
        while True:
            await patiently("label the nodes", self.label)
            await asyncio.sleep(PAUSE_SECONDS)

    async def label(self) -> None:
        """Label every node whose agent says something else than its label."""
        silent = self._world.heartbeats.silent
        self._due.add(silent ^ self._silent)
        self._silent = silent
        await self._due.each(self._label)

    async def _label(self, key: Key) -> None:
        node, hypervisor = (self._world.caches.store(kind).get(key) for kind in (NODE, HYPERVISOR))
        if node is None or hypervisor is None:
            return
        wanted = relabel(node.meta, view(hypervisor), silent=key.name in self._silent)
        if wanted is not None:
            wrote(NODE.name, "label")
            await self._world.cluster.label(NODE, node.meta, {LABEL_HYPERVISOR: wanted})
