"""The caches of a process: every watched kind, complete before the work starts and never silently out of date."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from drover.api.kinds import Kind
from drover.errors import Retryable
from drover.kube.client import Cluster
from drover.kube.errors import ApiFault, Rejected
from drover.runtime.feed import Feed, Selection, SelectorIgnored
from drover.runtime.mirror import Mirror, Watch
from drover.runtime.store import Cached, Changed, Store
from drover.state.resource import Body

__all__ = ["Informer", "MissingKind", "Watch"]

RETRY_SECONDS = 2.0
LISTEN_SECONDS = 5.0
"""How often the watches are asked whether they brought anything."""
PROBE_SECONDS = 100.0
"""A watch that brings nothing for so long, not even a bookmark, has its kind compared, to see who is silent."""
UNSELECTABLE = "field label not supported"
"""How the API server words that a kind has no such selectable field."""
log = structlog.stdlib.get_logger(__name__)


class MissingKind(Exception):
    """The API server does not know a kind that is to be watched: its definition must be installed first."""


class Informer:
    """Mirrors the watched kinds; made before its cluster is written to, so that it learns of every write."""

    def __init__(self, cluster: Cluster, watches: Sequence[Watch[Any]], *, resync: float = 300.0) -> None:
        self._mirrors: dict[Kind, Mirror[Any]] = {watch.kind: Mirror(cluster, watch) for watch in watches}
        self._resync = resync
        self._loop = asyncio.get_running_loop()
        selections = [Selection(watch.kind, watch.labels, watch.fields) for watch in watches]
        self._feed = Feed(cluster.endpoint, cluster.user_agent, selections)
        self._mail: deque[Callable[[], object]] = deque()
        """Calls from the feed's thread, in order."""
        self._woken = False
        """Whether the loop is about to make them."""
        cluster.on_write(self.learn)

    @property
    def primed(self) -> bool:
        """Whether every kind was listed."""
        return all(mirror.store.synced for mirror in self._mirrors.values())

    @property
    def silence(self) -> float:
        """Seconds for which a watch has brought nothing, not even a bookmark, although the cluster answers.

        A cluster that does not answer leaves us as healthy as can be: to start anew would lose what we know.
        """
        return max(0.0, *(mirror.answered_at - mirror.heard_at for mirror in self._mirrors.values()))

    def store(self, kind: Kind) -> Store[Any]:
        """Give the cache of a watched kind."""
        return self._mirrors[kind].store

    def subscribe(self, kind: Kind, callback: Changed[Any]) -> None:
        """Have `callback` called in the event loop with each change: from watch, list, comparison or own write."""
        self._mirrors[kind].store.subscribe(callback)

    def learn(self, kind: Kind, body: Body | None) -> None:
        """Take in the answer to a write of ours; kinds that are not watched are ignored."""
        mirror = self._mirrors.get(kind)
        if mirror is not None and body is not None:
            mirror.learn(body)

    async def prime(self) -> None:
        """List every kind; waits for the API server as long as it takes.

        `MissingKind` when a kind is not there, `UnknownField` when it cannot be selected by what it is watched by.
        """
        outcomes = await asyncio.gather(*(self._load(mirror) for mirror in self._mirrors.values()))
        if missing := sorted(name for name in outcomes if name):
            raise _missing(*missing)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the cluster until `stop`."""
        chores = [asyncio.create_task(self._compare(mirror)) for mirror in self._mirrors.values()]
        chores.append(asyncio.create_task(self._listen()))
        following = asyncio.create_task(self._follow(stop))
        try:
            done, _ = await asyncio.wait({following, *chores}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (following, *chores):
                task.cancel()
            await asyncio.wait({following, *chores})

    async def _follow(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._feed.run(self, stop)
            except SelectorIgnored:
                raise
            except Exception:
                # Kopf gives up on answers it does not expect; watching anew costs a comparison and loses nothing.
                log.exception("watching failed")
                for mirror in self._mirrors.values():
                    mirror.due.set()
                await asyncio.sleep(RETRY_SECONDS)

    def heard(self, kind: Kind, body: Body, *, deleted: bool) -> None:
        """Take what the watch brought; called in the feed's thread, where it is also parsed."""
        mirror = self._mirrors[kind]
        found: Cached | None = mirror.read(body)
        if found is not None:
            self._soon(lambda: mirror.take(found, deleted=deleted))

    def listed(self, kind: Kind) -> None:
        """Have a kind compared now, as its watch starts anew; called in the feed's thread."""
        self._soon(self._mirrors[kind].due.set)

    def _soon(self, call: Callable[[], object]) -> None:
        """Have `call` made in the loop; waking it costs more than what most calls do, so one waking serves many."""
        self._mail.append(call)
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._read_mail)

    def _read_mail(self) -> None:
        self._woken = False
        try:
            while self._mail:
                self._mail.popleft()()
        finally:
            if self._mail:  # one failed: the others are made all the same
                self._loop.call_soon(self._read_mail)

    async def _load(self, mirror: Mirror[Any]) -> str:
        while True:
            try:
                await mirror.load()
            except Retryable as error:
                if _is_missing(error):
                    return mirror.name
                log.warning("cannot list yet", kind=mirror.watch.kind.name, message=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            except ApiFault as error:
                raise mirror.unknown_field(str(error)) if UNSELECTABLE in str(error) else error from error
            else:
                return ""

    async def _compare(self, mirror: Mirror[Any]) -> None:
        pause = self._pause()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await mirror.due.wait()
            mirror.due.clear()
            pause = await self._compare_once(mirror)

    async def _compare_once(self, mirror: Mirror[Any]) -> float:
        try:
            await mirror.compare()
        except Retryable as error:
            if _is_missing(error):
                raise _missing(mirror.name) from error
            log.warning("cannot compare yet", kind=mirror.watch.kind.name, message=str(error))
            return RETRY_SECONDS
        return self._pause()

    def _pause(self) -> float:
        return self._resync * random.uniform(1.0, 2.0)

    async def _listen(self) -> None:
        heard = {kind: self._feed.received(kind) for kind in self._mirrors}
        while True:
            await asyncio.sleep(LISTEN_SECONDS)
            for kind, mirror in self._mirrors.items():
                received = self._feed.received(kind)
                if received != heard[kind]:
                    heard[kind] = received
                    mirror.heard_at = time.monotonic()
                elif time.monotonic() - max(mirror.heard_at, mirror.answered_at) > PROBE_SECONDS:
                    mirror.due.set()


def _is_missing(error: Retryable) -> bool:
    return isinstance(error, Rejected) and error.reason == "NotFound"


def _missing(*names: str) -> MissingKind:
    return MissingKind(f"the API server does not know {', '.join(names)}: run `drover crds apply`")
