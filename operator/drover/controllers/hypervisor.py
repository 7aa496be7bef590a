"""Nodes whose agent gives no sign of life, by our own clock: the times in their Leases are never compared with it."""

import asyncio
import time
from collections.abc import Callable

from drover.state.lease import Lease

CHECK_SECONDS = 1.0
PACE_SECONDS = 0.005
"""Between two machines of a node that fell silent: thousands of statuses are not written in one burst."""


class Heartbeats:
    """When each node's Lease was last seen to change; a node never seen counts from the beginning."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._started = clock()
        self._heard: dict[str, float] = {}
        self._silent: frozenset[str] = frozenset()

    def observe(self, old: Lease | None, new: Lease | None) -> None:
        """Follow a change of a Lease; one that is deleted simply is not renewed any more."""
        if new is not None and new.node and (old is None or old.renewed != new.renewed):
            self._heard[new.node] = self._clock()

    def is_silent(self, node: str) -> bool:
        """Tell whether a node's agent has not renewed its Lease for too long."""
        return self._clock() - self._heard.get(node, self._started) > self._patience

    def changed(self, nodes: frozenset[str]) -> frozenset[str]:
        """Nodes that fell silent, or are heard again, since the last call; `nodes` are those that matter."""
        silent = frozenset(node for node in nodes if self.is_silent(node))
        turned = silent ^ (self._silent & nodes)
        self._silent = silent
        return turned


async def watch(heartbeats: Heartbeats, nodes: Callable[[], frozenset[str]], turned: Callable[[str], None]) -> None:
    """Call `turned` for each node that falls silent or is heard again, until cancelled."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        for node in heartbeats.changed(nodes()):
            turned(node)
