"""The gate of starts: as many guests are started at once as there are processors, in the order they asked.

Who has to wait is not kept waiting here: a reconcile that may not enter ends, and its key is woken when its turn comes.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class StartGate(Generic[K]):
    """Lets `limit` keys in at a time; calls `wake` with a key whose turn has come."""

    def __init__(self, limit: int, wake: Callable[[K], None]) -> None:
        self._limit = limit
        self._wake = wake
        self._inside: set[K] = set()
        self._called: set[K] = set()
        """Keys whose turn has come and who have not entered yet: their place is kept."""
        self._waiting: dict[K, None] = {}

    @property
    def waiting(self) -> int:
        """How many keys wait for their turn."""
        return len(self._waiting)

    def enter(self, key: K) -> bool:
        """Enter, or take one's place in the line."""
        if key in self._called or (not self._waiting and self._free()):
            self._called.discard(key)
            self._waiting.pop(key, None)
            self._inside.add(key)
            return True
        self._waiting.setdefault(key)
        self._call()
        return False

    def leave(self, key: K) -> None:
        """Leave, also the line."""
        self._inside.discard(key)
        self._called.discard(key)
        self._waiting.pop(key, None)
        self._call()

    def _free(self) -> bool:
        return len(self._inside) + len(self._called) < self._limit

    def _call(self) -> None:
        while self._waiting and self._free():
            key = next(iter(self._waiting))
            del self._waiting[key]
            self._called.add(key)
            self._wake(key)
