"""Chores: work on volumes, and on guests' memory, that may take hours. No reconcile waits for it: all else goes on.

That one is done shows in what it has made. So nothing is remembered when the agent ends; it is begun anew then.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from drover.errors import NotReady

PATIENCE_SECONDS = 1.0
"""What takes no longer is waited for."""
LOOK_SECONDS = 5.0
"""How soon to look again whether one is done."""
FAILURES = 256
"""Failures that are kept for whom they concern."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chore:
    """What is done: the reason of a condition, and its message."""

    uid: str
    """Of the volume or guest that it is done to."""
    reason: str
    words: str


class Chores:
    """The chores under way, one a volume or guest."""

    def __init__(self, *, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._tasks: dict[str, asyncio.Future[object]] = {}
        self._failed: dict[str, BaseException] = {}

    async def do(self, chore: Chore, work: Callable[[], Awaitable[T]]) -> T:
        """Give what the work gives; `NotReady` while it takes its time, and what it failed with once."""
        if (error := self._failed.pop(chore.uid, None)) is not None:
            raise error
        task = self._tasks.get(chore.uid) or self._begin(chore.uid, work())
        await asyncio.wait({task}, timeout=self._patience)
        if not task.done():
            raise NotReady(chore.words, reason=chore.reason, delay=LOOK_SECONDS)
        self._failed.pop(chore.uid, None)
        return cast("T", task.result())

    def is_doing(self, uid: str) -> bool:
        """Whether something is done to a volume or guest."""
        return uid in self._tasks

    def give_up(self, uid: str) -> None:
        """Wait for no more of what is done, and forget how it ends; what has reached libvirt goes on there."""
        self._failed.pop(uid, None)
        if (task := self._tasks.pop(uid, None)) is not None:
            task.cancel()

    def check_idle(self, uid: str) -> None:
        """Object while something is done to a volume: what is made of it must not appear when nobody expects it."""
        if uid in self._tasks:
            raise NotReady("a volume of it is being written", reason="VolumeBusy", delay=LOOK_SECONDS)

    def _begin(self, uid: str, work: Awaitable[object]) -> asyncio.Future[object]:
        task = self._tasks[uid] = asyncio.ensure_future(work)
        task.add_done_callback(lambda ended: self._ended(uid, ended))
        return task

    def _ended(self, uid: str, task: asyncio.Future[object]) -> None:
        if self._tasks.get(uid) is not task:
            return
        del self._tasks[uid]
        if not task.cancelled() and (error := task.exception()):
            self._failed[uid] = error
            while len(self._failed) > FAILURES:
                del self._failed[next(iter(self._failed))]
