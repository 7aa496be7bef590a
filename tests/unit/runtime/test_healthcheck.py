import asyncio

import pytest

from drover.runtime import healthcheck
from drover.runtime.health import Health, serve


async def asked(trouble: str) -> str:
    health = Health(live={"queue": lambda: trouble}, ready={})
    async with serve("0.0.0.0:0", health) as address:
        return await asyncio.to_thread(healthcheck.ask, address)


async def test_a_process_that_lives_has_nothing_to_say() -> None:
    assert await asked("") == ""


async def test_a_process_that_does_not_says_why() -> None:
    assert "it stands still" in await asked("it stands still")


def test_a_process_that_does_not_answer_is_not_alive(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DROVER_HTTP_ADDRESS", "[::]:1")

    assert (healthcheck.main(), "does not answer" in capsys.readouterr().err) == (1, True)
