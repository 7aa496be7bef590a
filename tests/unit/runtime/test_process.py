import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from drover.kube.connection import Misconfigured
from drover.runtime import process
from drover.runtime.informer import MissingKind
from drover.runtime.leader import LostLeadership
from drover.runtime.process import run_process, run_until
from drover.runtime.settings import AgentSettings, CommonSettings

Start = Callable[[CommonSettings, asyncio.Event], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def _logging_untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(process, "configure_logging", lambda _: None)
    yield
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def raising(error: Exception) -> Start:
    async def start(_settings: CommonSettings, _stop: asyncio.Event) -> None:
        raise error

    return start


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Misconfigured("no API server"), 2),
        (MissingKind("domains"), 3),
        (ExceptionGroup("several", [LostLeadership("gone")]), 4),
        (ZeroDivisionError(), 1),
    ],
)
def test_each_end_has_its_exit_code(error: Exception, code: int) -> None:
    assert run_process("controller", CommonSettings, raising(error)) == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_stop_event(number: signal.Signals) -> None:
    async def start(_settings: CommonSettings, stop: asyncio.Event) -> None:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 5)

    assert run_process("controller", CommonSettings, start) == 0


def test_a_process_that_does_not_stop_in_time_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.01)

    async def start(_settings: CommonSettings, stop: asyncio.Event) -> None:
        stop.set()
        await asyncio.Event().wait()

    assert run_process("controller", CommonSettings, start) == 0


def test_help_lists_what_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_process("agent", AgentSettings, raising(ZeroDivisionError()), ["--help"]) == 0
    assert "DROVER_NODE_NAME (required)" in capsys.readouterr().err


def test_other_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_process("agent", AgentSettings, raising(ZeroDivisionError()), ["--verbose"]) == 2
    assert "usage: drover agent" in capsys.readouterr().err


def test_settings_that_cannot_be_are_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROVER_RESYNC_SECONDS", "soon")
    assert run_process("controller", CommonSettings, raising(ZeroDivisionError())) == 2
    assert "DROVER_RESYNC_SECONDS: " in capsys.readouterr().err


async def test_works_are_stopped_together_the_last_first() -> None:
    stop, ended = asyncio.Event(), list[str]()

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    asyncio.get_running_loop().call_soon(stop.set)
    await run_until(stop, work("watch"), work("serve"))

    assert ended == ["serve", "watch"]


async def test_one_work_that_fails_ends_all() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_until(asyncio.Event(), asyncio.Event().wait(), fail())  # type: ignore[arg-type]
