"""Nodes to look at: those of which something changed. There may be thousands, and at rest none is looked at."""

from collections.abc import Awaitable, Callable, Iterable

from drover.api.kinds import HYPERVISOR, NODE
from drover.controllers.world import World
from drover.runtime.store import Cached
from drover.state.resource import Key


class DueNodes:
    """Nodes to look at."""

    def __init__(self, world: World) -> None:
        self._due: set[Key] = set()
        for kind in (NODE, HYPERVISOR):
            store = world.caches.store(kind)
            self._due.update(store.names())
            store.subscribe(self._changed)

    def add(self, nodes: Iterable[str]) -> None:
        """Have more nodes looked at."""
        self._due.update(Key("", node) for node in nodes)

    async def each(self, look: Callable[[Key], Awaitable[None]]) -> None:
        """Look at each; one that fails stays due, and ends it."""
        for key in tuple(self._due):
            # Before the write: what changes while it is on its way is due again.
            self._due.discard(key)
            try:
                await look(key)
            except BaseException:
                self._due.add(key)
                raise

    def _changed(self, old: Cached | None, new: Cached | None) -> None:
        self._due.update(found.meta.key for found in (old, new) if found)
