"""The readiness probe's arithmetic."""

from itertools import accumulate

import pytest

from drover.api.probe import ReadinessProbe
from drover.planning.probe import Schedule, Verdict, answered, next_try, schedule

PROBE = Schedule(initial_delay=3, period=5, timeout=1, successes=2, failures=3)


def verdicts(answers: str) -> list[bool | None]:
    states = accumulate(answers, lambda verdict, each: answered(verdict, PROBE, success=each == "+"), initial=Verdict())
    return [state.ready for state in states][1:]


def test_a_pod_probes_defaults_are_filled_in() -> None:
    assert schedule(ReadinessProbe()) == Schedule(0, 5, 1, 1, 3)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("+", [None]),
        ("++", [None, True]),
        ("+-++", [None, None, None, True]),
        ("++--+", [None, True, True, True, True]),
        ("++---", [None, True, True, True, False]),
        ("---", [None, None, False]),
        ("---++", [None, None, False, False, True]),
    ],
)
def test_enough_answers_in_a_row_change_sides(answers: str, expected: list[bool | None]) -> None:
    assert verdicts(answers) == expected


@pytest.mark.parametrize(("running_for", "wait"), [(0.0, 3.0), (2.0, 1.0), (60.0, 0.0)])
def test_the_first_try_waits_for_the_initial_delay(running_for: float, wait: float) -> None:
    assert next_try(PROBE, Verdict(), running_for) == wait


def test_until_it_was_ready_once_it_is_asked_each_second() -> None:
    assert next_try(PROBE, Verdict(ready=False, row=7, last=False), 60.0) == 1.0


def test_then_it_is_asked_once_a_period() -> None:
    assert next_try(PROBE, Verdict(ready=False, row=7, last=False, ever=True), 60.0) == 5.0
