"""The prober: asks the guests that have a readiness probe, all from one task."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from drover.api.probe import HTTPGet, ReadinessProbe
from drover.errors import OperatorError
from drover.planning.probe import Schedule, Verdict, answered, next_try, schedule
from drover.state.resource import Key

log = structlog.stdlib.get_logger(__name__)
AT_ONCE = 64
"""Guests that are asked at the same time."""
ANSWER_LIMIT = 10 * 1024
"""Bytes of a guest's answer that are read: guests are hostile."""
Ping = Callable[[str, int], Awaitable[bool]]
"""Asks the guest agent of the guest with this uuid, for so many seconds at most."""


@dataclass(frozen=True, slots=True)
class Target:
    """A running guest and how to ask it."""

    key: Key
    uuid: str
    address: str
    """Of its first interface; empty without one."""
    run: str
    """Tells one run of the guest from the next."""
    probe: ReadinessProbe


@dataclass(slots=True)
class Watched:
    """One guest that is asked again and again."""

    target: Target
    numbers: Schedule
    since: float
    verdict: Verdict = field(default_factory=Verdict)
    trouble: str = ""
    """What made it unready: kept as it was then, so that a guest that fails in ever new ways is not ever new news."""


class Prober:
    """Asks guests when it is time; calls `wake` with a Domain whose guest has become ready or unready."""

    def __init__(self, ping: Ping, wake: Callable[[Key], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ping = ping
        self._wake = wake
        self._clock = clock
        self._watched: dict[Key, Watched] = {}
        self._heap: list[tuple[float, int, Key, Watched]] = []
        self._order = itertools.count()
        self._news = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._asking: set[asyncio.Task[None]] = set()

    def watch(self, target: Target, running_for: float) -> None:
        """Ask this guest from now on; a target that is watched already goes on as it is."""
        known = self._watched.get(target.key)
        if known is not None and known.target == target:
            return
        verdict = known.verdict if known is not None and known.target.run == target.run else Verdict()
        watched = Watched(target, schedule(target.probe), self._clock() - running_for, verdict)
        self._watched[target.key] = watched
        self._plan(watched)

    def forget(self, key: Key) -> None:
        """Ask this guest no more."""
        self._watched.pop(key, None)

    def ready(self, key: Key) -> bool | None:
        """What the probe says; None while it says nothing."""
        watched = self._watched.get(key)
        return watched.verdict.ready if watched else None

    def trouble(self, key: Key) -> str:
        """What made the guest unready; empty while nothing did."""
        watched = self._watched.get(key)
        return watched.trouble if watched else ""

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            while True:
                self._ask_due()
                await self._pause()
        finally:
            for task in self._asking:
                task.cancel()

    def _plan(self, watched: Watched) -> None:
        wait = next_try(watched.numbers, watched.verdict, self._clock() - watched.since)
        heapq.heappush(self._heap, (self._clock() + wait, next(self._order), watched.target.key, watched))
        self._news.set()

    def _ask_due(self) -> None:
        while self._heap and self._heap[0][0] <= self._clock():
            _, _, key, watched = heapq.heappop(self._heap)
            if self._watched.get(key) is watched:
                task = asyncio.create_task(self._ask(watched), name=f"probe {key}")
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)

    async def _pause(self) -> None:
        left = self._heap[0][0] - self._clock() if self._heap else None
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._news.wait()

    async def _ask(self, watched: Watched) -> None:
        async with self._slots:
            trouble = await self._trouble(watched.target, watched.numbers.timeout)
        if self._watched.get(watched.target.key) is not watched:
            return
        before, watched.verdict = watched.verdict, answered(watched.verdict, watched.numbers, success=not trouble)
        if before.ready is not watched.verdict.ready:
            watched.trouble = trouble
            self._wake(watched.target.key)
        self._plan(watched)

    async def _trouble(self, target: Target, seconds: int) -> str:
        """Ask once; gives what went wrong, empty when nothing did."""
        try:
            async with asyncio.timeout(seconds):
                return await self._try(target, seconds)
        except TimeoutError:
            return f"no answer within {seconds} s"
        except (OSError, ValueError, OperatorError) as error:
            return str(error)[:200] or type(error).__name__

    async def _try(self, target: Target, seconds: int) -> str:
        probe = target.probe
        if probe.guest_agent is not None:
            return "" if await self._ping(target.uuid, seconds) else "the guest agent does not answer"
        if not target.address:
            return "the guest has no address"
        if probe.tcp_socket is not None:
            return await _accepts(target.address, probe.tcp_socket.port)
        return await _serves(target.address, probe.http_get) if probe.http_get else ""


async def _accepts(address: str, port: int) -> str:
    _, writer = await asyncio.open_connection(address, port)
    writer.close()
    return ""


async def _serves(address: str, asked: HTTPGet) -> str:
    """Ask by a request of our own making: nothing but the first line of the answer is looked at."""
    reader, writer = await asyncio.open_connection(address, asked.port, limit=ANSWER_LIMIT)
    try:
        host = f"[{address}]:{asked.port}" if ":" in address else f"{address}:{asked.port}"
        head = (
            f"GET {asked.path or '/'} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: drover-probe\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode("ascii"))
        await writer.drain()
        line = await reader.readline()
    finally:
        writer.close()
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if not (version.startswith(b"HTTP/") and code.isdigit()):
        return "the answer is not HTTP"
    return "" if 200 <= int(code) < 400 else f"HTTP status {int(code)}"
