import asyncio
from collections.abc import Iterator

import pytest
import structlog
from tests.unit.kube.server import until
from tests.unit.runtime.objects import KEY

from drover.api.kinds import DOMAIN
from drover.errors import Busy, InvalidSpec, OperatorError, Unavailable
from drover.runtime.reconciler import Reconciler
from drover.state.resource import Key


class Script:
    """Plays one outcome a run: a delay, nothing, or an error."""

    def __init__(self, *outcomes: float | Exception | None) -> None:
        self.outcomes: Iterator[float | Exception | None] = iter(outcomes)
        self.contexts: list[dict[str, str]] = []

    async def __call__(self, _: Key) -> float | None:
        self.contexts.append(dict(structlog.contextvars.get_contextvars()))
        outcome = next(self.outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.mark.parametrize(
    ("outcome", "delayed", "failures"),
    [
        pytest.param(None, 0, 0, id="done"),
        pytest.param(30.0, 1, 0, id="again-later"),
        pytest.param(Busy("job"), 1, 2, id="backoff"),
        pytest.param(Unavailable("no answer", delay=9), 1, 1, id="own-delay"),
        pytest.param(InvalidSpec("no"), 0, 0, id="rest"),
        pytest.param(ValueError(), 1, 2, id="bug"),
    ],
)
async def test_a_key_is_queued_again_as_its_outcome_says(
    outcome: float | Exception | None, delayed: int, failures: int
) -> None:
    reconciler = Reconciler(DOMAIN, Script(outcome))
    reconciler.queue._failures[KEY] = 1
    await reconciler.handle(KEY)

    assert (reconciler.queue.delayed, reconciler.queue.failures(KEY)) == (delayed, failures)


async def test_every_run_is_recorded_and_every_trouble_reported() -> None:
    runs: list[tuple[str, str]] = []
    reported: list[tuple[Key, str]] = []

    async def report(key: Key, error: OperatorError) -> None:
        reported.append((key, error.reason))

    reconciler = Reconciler(
        DOMAIN, Script(None, Busy("job")), report=report, finished=lambda name, _, word: runs.append((name, word))
    )
    await reconciler.handle(KEY)
    await reconciler.handle(KEY)

    assert runs == [("domains", "done"), ("domains", "retry")]
    assert reported == [(KEY, "Busy")]


async def test_the_log_names_the_object_while_it_is_reconciled() -> None:
    script = Script(None)
    await Reconciler(DOMAIN, script, identify=lambda _: "u").handle(KEY)

    assert script.contexts == [{"kind": "Domain", "namespace": "team", "name": "web", "uid": "u"}]
    assert structlog.contextvars.get_contextvars() == {}


async def test_workers_reconcile_what_is_queued() -> None:
    script = Script(None, None)
    reconciler = Reconciler(DOMAIN, script)
    working = asyncio.create_task(reconciler.run(2))
    reconciler.queue.add(KEY)
    await until(lambda: len(script.contexts) == 1)
    working.cancel()
