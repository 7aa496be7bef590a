"""Statuses that may pass before anybody has read them are held back for a moment."""

import time
from collections.abc import Callable, Hashable

SECONDS = 0.8
LIMIT = 5.0
"""Longest time for which one passing status after another is held back."""


class Patience:
    """Since when each object has had something passing to say; a memory that may be lost without harm."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[Hashable, tuple[float, Hashable, float]] = {}

    def remaining(self, key: Hashable, step: Hashable, seconds: float = SECONDS) -> float:
        """Seconds until the step has lasted long enough to be told of, from the first time it is asked about."""
        now = self._clock()
        first, known, since = self._since.get(key, (now, step, now))
        if known != step:
            since = now
        self._since[key] = (first, step, since)
        return max(0.0, min(since + seconds, first + max(seconds, LIMIT)) - now)

    def forget(self, key: Hashable) -> None:
        """Begin anew: it was said, or there is nothing to say."""
        self._since.pop(key, None)
