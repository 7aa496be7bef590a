"""Where errors become retries: the only place that knows what the taxonomy means for a queue."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from drover.errors import Fatal, OperatorError, Retryable

Word = Literal["done", "again", "retry", "rest", "bug"]
Report = Callable[[OperatorError], Awaitable[None]]
"""Says expected trouble in the object's conditions."""
log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reconcile ended: ``done``, ``again`` after a delay, ``retry`` after trouble, ``rest`` or ``bug``."""

    word: Word
    reason: str = ""
    """CamelCase reason of the trouble."""
    delay: float | None = None
    """Seconds until the next try; ``None`` leaves them to the back-off when `failed`, else there is none."""

    @property
    def failed(self) -> bool:
        """Whether the back-off counts it."""
        return self.word in {"retry", "bug"}


async def guard(work: Callable[[], Awaitable[float | None]], report: Report | None = None) -> Outcome:
    """Run one reconcile; `work` tells the seconds until it wants to run again, if it does.

    Expected trouble is given to `report`; whatever lies outside the taxonomy is logged with its traceback.
    """
    try:
        return await _reported(work, report)
    except OperatorError as error:
        return trouble(error)
    except Exception as error:
        log.exception("reconcile failed", error=type(error).__name__)
        return Outcome("bug", type(error).__name__)


def trouble(error: OperatorError) -> Outcome:
    """Tell what expected trouble means for the queue."""
    if isinstance(error, Fatal):
        return Outcome("rest", error.reason)
    return Outcome("retry", error.reason, error.delay if isinstance(error, Retryable) else None)


async def _reported(work: Callable[[], Awaitable[float | None]], report: Report | None) -> Outcome:
    try:
        delay = await work()
    except OperatorError as error:
        log.info("reconcile stopped", reason=error.reason, message=str(error))
        if report is not None:
            await report(error)
        return trouble(error)
    return Outcome("done") if delay is None else Outcome("again", delay=delay)
