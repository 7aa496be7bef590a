"""Agents that give no sign of life, by our own clock: the times in their Leases are never compared with it.

Silence counts only while we could have heard: not while the API server was away, nor while this process stood still.
"""

import math
import time
from collections.abc import Callable

from drover.state.lease import Lease

GAP_SECONDS = 5.0
"""A process that did not look for so long may have missed a sign of life."""
PACE_SECONDS = 0.005
"""Between two machines of a node that fell silent: thousands of statuses are not written in one burst."""


class Heartbeats:
    """When each node's Lease was last seen to change; nothing before our contact with the API server counts."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._looked = self._since = clock()
        self._heard: dict[str, float] = {}
        self._renewed: dict[str, float] = {}
        self._silent: set[str] = set()
        self._turned: set[str] = set()

    @property
    def silent(self) -> frozenset[str]:
        """Nodes of which the API server itself said that their Lease stands still."""
        return frozenset(self._silent)

    def observe(self, old: Lease | None, new: Lease | None) -> None:
        """Follow a change of a Lease; one that is deleted simply is not renewed any more."""
        if new is None or not new.node or (old is not None and old.renewed == new.renewed):
            return
        self._heard[new.node] = self._clock()
        if old is not None:
            self._renewed[new.node] = self._heard[new.node]
        if new.node in self._silent:
            self._silent.discard(new.node)
            self._turned.add(new.node)

    def look(self) -> frozenset[str]:
        """Note that we are awake; gives the nodes that are heard again since the last look."""
        if self._clock() - self._looked > GAP_SECONDS:
            self.interrupt()
        self._looked = self._clock()
        turned, self._turned = frozenset(self._turned), set()
        return turned

    def interrupt(self) -> None:
        """Begin to count anew: the API server did not answer, so nobody could be heard."""
        self._since = self._clock()

    def is_quiet(self, node: str) -> bool:
        """Tell whether a node was not heard for too long, as far as we know, in a time in which we could have."""
        now = self._clock()
        here = now - self._looked <= GAP_SECONDS
        return here and now - max(self._heard.get(node, self._since), self._since) > self._patience

    def is_heard(self, node: str) -> bool:
        """Tell whether a node was seen to renew its Lease since we listen, and not too long ago."""
        return self._renewed.get(node, -math.inf) >= self._since and not self.is_quiet(node)

    def confirm(self, node: str) -> None:
        """Count a node as silent: the API server was asked and knows of no sign of life."""
        self._silent.add(node)
