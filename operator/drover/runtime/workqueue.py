"""The queue of keys to reconcile: each key at most once in it, and with at most one worker at a time.

A key that is added while a worker has it is given out again afterwards, so no change is ever missed. Failures are tried
again with exponential back-off; success forgets them.
"""

import asyncio
import heapq
import itertools
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds between tries: `base`, doubled with each failure, at most `limit`, less up to half by chance."""

    base: float = 0.2
    limit: float = 60.0

    def delay(self, failures: int, chance: float) -> float:
        """Tell how long to wait after so many failures; `chance` is from 0 to 1."""
        # Bounded before it is raised to a power: a key that fails for days would overflow a float.
        return min(self.limit, self.base * 2.0 ** min(failures - 1, 32)) * (1 - chance / 2)


class WorkQueue(Generic[K]):
    """Keys waiting for a worker; used from the event loop it was made in, except for `add_threadsafe`."""

    def __init__(
        self,
        *,
        backoff: Backoff = Backoff(),
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._backoff = backoff
        self._clock = clock
        self._chance = chance
        self._lanes: tuple[deque[K], deque[K]] = (deque(), deque())
        """Keys in order, urgent ones in the first lane; one that was given to a worker since is passed over."""
        self._urgent: set[K] = set()
        """Keys that are to go before others."""
        self._dirty: dict[K, float] = {}
        """Keys that want a worker, with the time since when, oldest first."""
        self._busy: set[K] = set()
        self._failures: dict[K, int] = {}
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._wake = asyncio.Event()
        self._taken: float | None = None
        """When the workers started or one was given a key, ``None`` while they do not run."""
        with suppress(RuntimeError):
            self._loop: asyncio.AbstractEventLoop | None = None
            self._loop = asyncio.get_running_loop()

    @property
    def depth(self) -> int:
        """How many keys wait for a worker."""
        return len(self._dirty) - len(self._dirty.keys() & self._busy)

    @property
    def delayed(self) -> int:
        """How many keys wait for their time."""
        return len(self._due)

    @property
    def stall(self) -> float:
        """Seconds for which keys have been waiting although workers run and none was given one; 0 when all is well.

        A long queue that moves is no stall, however old its keys are.
        """
        since = self._oldest()
        if self._taken is None or since is None:
            return 0.0
        return self._clock() - max(self._taken, since)

    def add(self, key: K, *, urgent: bool = False) -> None:
        """Have the key reconciled as soon as a worker is free and has not got it; before all others if `urgent`."""
        known = key in self._dirty
        if known and (not urgent or key in self._urgent):
            return
        self._dirty.setdefault(key, self._clock())
        if urgent:
            self._urgent.add(key)
        if key not in self._busy:
            self._line_up(key)

    def add_threadsafe(self, key: K) -> None:
        """Do as `add`, from any thread; once the event loop is closed, nothing."""
        assert self._loop is not None, "the queue was made outside an event loop"
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.add, key)

    def add_after(self, key: K, delay: float) -> None:
        """Have the key added in `delay` seconds, unless it is due earlier already."""
        if delay <= 0:
            self.add(key)
            return
        due = self._clock() + delay
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._heap, (due, next(self._order), key))
            self._wake.set()

    def retry(self, key: K) -> float:
        """Count a failure and have the key added after the back-off; tell its seconds."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = self._backoff.delay(failures, self._chance())
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Forget the failures of a key: it succeeded."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """Tell how often the key failed since it last succeeded."""
        return self._failures.get(key, 0)

    def take(self) -> K | None:
        """Give a key to a worker, which must call `done`; ``None`` when none is ready."""
        self._promote()
        for lane in self._lanes:
            while lane:
                key = lane.popleft()
                if key in self._dirty and key not in self._busy:
                    del self._dirty[key]
                    self._urgent.discard(key)
                    self._busy.add(key)
                    return key
        return None

    def done(self, key: K) -> None:
        """Take a key back from its worker."""
        self._busy.discard(key)
        if key in self._dirty:
            self._line_up(key)

    def next_due(self) -> float | None:
        """Seconds until a delayed key is due, ``None`` when there is none."""
        return max(0.0, self._heap[0][0] - self._clock()) if self._heap else None

    async def run(self, handle: Callable[[K], Awaitable[None]], *, workers: int) -> None:
        """Give keys to `handle`, at most `workers` at a time, until cancelled."""
        self._taken = self._clock()
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(workers):
                    group.create_task(self._work(handle), name=f"worker {number}")
        finally:
            self._taken = None

    def _line_up(self, key: K) -> None:
        self._lanes[0 if key in self._urgent else 1].append(key)
        self._wake.set()

    def _oldest(self) -> float | None:
        return next((since for key, since in self._dirty.items() if key not in self._busy), None)

    async def _work(self, handle: Callable[[K], Awaitable[None]]) -> None:
        while True:
            key = await self._next()
            try:
                await handle(key)
            finally:
                self.done(key)

    async def _next(self) -> K:
        while (key := self.take()) is None:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.next_due()):
                    await self._wake.wait()
        self._taken = self._clock()
        return key

    def _promote(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
