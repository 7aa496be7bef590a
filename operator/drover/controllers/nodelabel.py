"""Nodes are labelled as their agents report: machines are placed where the hypervisor is ready, with no hand's help."""

import asyncio

from drover.api.kinds import HYPERVISOR, NODE
from drover.controllers.world import World
from drover.metrics.registry import wrote
from drover.planning.anchor import LABEL_HYPERVISOR
from drover.planning.nodelabel import relabel
from drover.planning.view import view
from drover.runtime.patience import patiently
from drover.runtime.store import Cached
from drover.state.resource import Key

PAUSE_SECONDS = 1.0


class Labeller:
    """Labels the nodes of which something changed: there may be thousands, and at rest none is looked at."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._silent: frozenset[str] = frozenset()
        self._due: set[Key] = set()
        for kind in (NODE, HYPERVISOR):
            store = world.caches.store(kind)
            self._due.update(store.names())
            store.subscribe(self._changed)

    async def run(self) -> None:
        """Label nodes until cancelled."""
        while True:
            await patiently("label the nodes", self.label)
            await asyncio.sleep(PAUSE_SECONDS)

    async def label(self) -> None:
        """Label every node whose agent says something else than its label."""
        silent = self._world.heartbeats.silent
        self._due.update(Key("", node) for node in silent ^ self._silent)
        self._silent = silent
        for key in tuple(self._due):
            # Before the write: what changes while it is on its way is due again.
            self._due.discard(key)
            try:
                await self._label(key)
            except BaseException:
                self._due.add(key)
                raise

    async def _label(self, key: Key) -> None:
        node, hypervisor = (self._world.caches.store(kind).get(key) for kind in (NODE, HYPERVISOR))
        if node is None or hypervisor is None:
            return
        wanted = relabel(node.meta, view(hypervisor), silent=key.name in self._silent)
        if wanted is not None:
            wrote(NODE.name, "label")
            await self._world.cluster.label(NODE, node.meta, {LABEL_HYPERVISOR: wanted})

    def _changed(self, old: Cached | None, new: Cached | None) -> None:
        self._due.update(found.meta.key for found in (old, new) if found)
