"""The readiness probe: when to ask, and what a row of answers makes of the guest."""

from dataclasses import dataclass, replace

from drover.api.probe import ReadinessProbe


@dataclass(frozen=True, slots=True)
class Schedule:
    """A probe's numbers with their defaults, times in seconds."""

    initial_delay: int
    period: int
    timeout: int
    successes: int
    failures: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the answers so far say."""

    ready: bool | None = None
    """None while there were not enough of them."""
    row: int = 0
    """Equal answers in a row."""
    last: bool | None = None
    ever: bool = False
    """Whether it was ready at any time since its start."""


def schedule(probe: ReadinessProbe) -> Schedule:
    """Fill in a Pod probe's defaults."""
    return Schedule(
        initial_delay=probe.initial_delay_seconds or 0,
        period=probe.period_seconds or 5,
        timeout=probe.timeout_seconds or 1,
        successes=probe.success_threshold or 1,
        failures=probe.failure_threshold or 3,
    )


def answered(verdict: Verdict, numbers: Schedule, *, success: bool) -> Verdict:
    """Take in an answer: the guest changes sides when enough of them in a row say so."""
    row = verdict.row + 1 if verdict.last is success else 1
    enough = row >= (numbers.successes if success else numbers.failures)
    ready = success if enough else verdict.ready
    return replace(verdict, ready=ready, row=row, last=success, ever=verdict.ever or ready is True)


def next_try(numbers: Schedule, verdict: Verdict, running_for: float) -> float:
    """Seconds until the guest is asked: after the initial delay, each second until it was ready once, then as told.

    Without that haste a guest that serves a moment after it was asked would be found a whole period late.
    """
    if verdict.last is None:
        return max(0.0, numbers.initial_delay - running_for)
    return float(numbers.period) if verdict.ever else min(1.0, float(numbers.period))
