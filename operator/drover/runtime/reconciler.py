"""A reconciler: a queue of keys, the function that brings one object in line, and a record of how that went."""

import time
from collections.abc import Awaitable, Callable

import structlog

from drover.api.kinds import Kind
from drover.errors import OperatorError
from drover.runtime.boundary import Outcome, guard
from drover.runtime.workqueue import WorkQueue
from drover.state.resource import Key

Reconcile = Callable[[Key], Awaitable[float | None]]
"""Brings one object in line, be it gone; gives the seconds until it wants to run again, or ``None``."""
Report = Callable[[Key, OperatorError], Awaitable[None]]
"""Says expected trouble in the object's conditions."""
Finished = Callable[[str, float, str], None]
"""Records the reconciler's name, the seconds it took and the outcome's word."""


def unrecorded(_name: str, _seconds: float, _word: str) -> None:
    """Record nothing."""


class Reconciler:
    """Reconciles the objects of one kind, each by one worker at a time; `identify` gives a uid for the log."""

    def __init__(
        self,
        kind: Kind,
        reconcile: Reconcile,
        *,
        name: str = "",
        report: Report | None = None,
        finished: Finished = unrecorded,
        identify: Callable[[Key], str] = lambda _: "",
    ) -> None:
        self.kind = kind
        self.name = name or kind.plural
        self.queue: WorkQueue[Key] = WorkQueue()
        self._reconcile = reconcile
        self._report = report
        self._finished = finished
        self._identify = identify

    async def run(self, workers: int) -> None:
        """Reconcile what the queue gives until cancelled."""
        await self.queue.run(self.handle, workers=workers)

    async def handle(self, key: Key) -> None:
        """Reconcile one object now and queue it again as the outcome says."""
        with structlog.contextvars.bound_contextvars(**self._context(key)):
            started = time.monotonic()
            outcome = await guard(lambda: self._reconcile(key), self._reporter(key))
            self._finished(self.name, time.monotonic() - started, outcome.word)
        self._requeue(key, outcome)

    def _context(self, key: Key) -> dict[str, str]:
        return {"kind": self.kind.name, "namespace": key.namespace, "name": key.name, "uid": self._identify(key)}

    def _reporter(self, key: Key) -> Callable[[OperatorError], Awaitable[None]] | None:
        report = self._report
        return None if report is None else lambda error: report(key, error)

    def _requeue(self, key: Key, outcome: Outcome) -> None:
        if outcome.failed and outcome.delay is None:
            self.queue.retry(key)
            return
        if not outcome.failed:
            self.queue.forget(key)
        if outcome.delay is not None:
            self.queue.add_after(key, outcome.delay)
