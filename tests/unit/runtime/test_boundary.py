import pytest
from structlog.testing import capture_logs

from drover.errors import Busy, InvalidSpec, NotReady, OperatorError, Unavailable
from drover.runtime.boundary import Outcome, guard


@pytest.mark.parametrize(
    ("delay", "outcome"),
    [(None, Outcome("done")), (30.0, Outcome("again", delay=30.0)), (0.0, Outcome("again", delay=0.0))],
)
async def test_a_reconcile_tells_when_it_wants_to_run_again(delay: float | None, outcome: Outcome) -> None:
    async def work() -> float | None:
        return delay

    assert await guard(work) == outcome


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        pytest.param(NotReady("no pool", reason="NoPool", delay=5), Outcome("retry", "NoPool", 5), id="own-delay"),
        pytest.param(Busy("a job"), Outcome("retry", "Busy"), id="left-to-the-backoff"),
        pytest.param(InvalidSpec("so many cores"), Outcome("rest", "InvalidSpec"), id="rests-until-something-changes"),
        pytest.param(OperatorError("odd"), Outcome("retry", "OperatorError"), id="unspecific"),
    ],
)
async def test_expected_trouble_is_reported_and_becomes_a_retry_or_a_rest(
    error: OperatorError, outcome: Outcome
) -> None:
    reported: list[OperatorError] = []

    async def work() -> float | None:
        raise error

    async def report(trouble: OperatorError) -> None:
        reported.append(trouble)

    assert await guard(work, report) == outcome
    assert reported == [error]


async def test_a_report_that_fails_is_what_is_tried_again() -> None:
    async def work() -> float | None:
        raise InvalidSpec("so many cores")

    async def report(_: OperatorError) -> None:
        raise Unavailable("no answer", delay=2)

    assert await guard(work, report) == Outcome("retry", "Unavailable", 2)


async def test_a_bug_is_logged_with_its_traceback_and_counted() -> None:
    async def work() -> float | None:
        raise ZeroDivisionError

    with capture_logs() as logs:
        outcome = await guard(work)

    assert (outcome, outcome.failed) == (Outcome("bug", "ZeroDivisionError"), True)
    assert [(entry["log_level"], entry["exc_info"]) for entry in logs] == [("error", True)]
