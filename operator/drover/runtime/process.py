"""The frame of a process: settings, logs, signals and exit codes."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError

from drover.kube.connection import Misconfigured
from drover.runtime.informer import MissingKind
from drover.runtime.kinds import OutdatedKinds
from drover.runtime.leader import LostLeadership
from drover.runtime.logging import configure_logging
from drover.runtime.mirror import UnknownField
from drover.runtime.release import ForeignRelease
from drover.runtime.settings import CommonSettings

S = TypeVar("S", bound=CommonSettings)
Start = Callable[[S, asyncio.Event], Coroutine[Any, Any, None]]
"""Runs the process until the event is set."""

FAILED = 1
MISCONFIGURED = 2
EXIT_CODES: dict[type[BaseException], int] = {
    Misconfigured: MISCONFIGURED,
    MissingKind: 3,
    OutdatedKinds: 3,
    LostLeadership: 4,
    UnknownField: 5,
    ForeignRelease: 6,
}
"""What ends a process in an expected way: only its message is logged."""
GRACE_SECONDS = 5.0
"""How long a process that was told to stop may take; then it is cancelled."""
log = structlog.stdlib.get_logger(__name__)


def run_process(name: str, settings: type[S], start: Start[S], arguments: Sequence[str] = ()) -> int:
    """Run a process with the settings of its environment until it is told to stop; give its exit code."""
    if arguments:
        print(usage(name, settings), file=sys.stderr)  # noqa: T201
        return 0 if set(arguments) <= {"-h", "--help"} else MISCONFIGURED
    try:
        loaded = settings()
    except ValidationError as error:
        print(_complaint(error), file=sys.stderr)  # noqa: T201
        return MISCONFIGURED
    configure_logging(loaded.log_level)
    return _run(name, lambda: _supervise(start, loaded))


def usage(name: str, settings: type[CommonSettings]) -> str:
    """Describe a process and the environment variables it reads."""
    lines = [f"usage: drover {name}", "", "Set by environment variables:"]
    for field, info in settings.model_fields.items():
        default = "required" if info.is_required() else f"default {info.default}"
        lines += [f"  DROVER_{field.upper()} ({default})", f"      {info.description}"]
    return "\n".join(lines)


async def run_until(stop: asyncio.Event, *works: Coroutine[Any, Any, None]) -> None:
    """Run all works until `stop` or until one of them ends, raising what it raised; the last given ends first."""
    tasks = [asyncio.ensure_future(work) for work in works]
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (stopped, *reversed(tasks)):
            await _end(task)


async def _end(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # seen: what counts was raised by the work that ended first


def _run(name: str, main: Callable[[], Coroutine[Any, Any, None]]) -> int:
    try:
        asyncio.run(main())
    except Exception as error:
        for leaf in _leaves(error):
            if type(leaf) in EXIT_CODES:
                log.error("ended", process=name, reason=type(leaf).__name__, message=str(leaf))  # noqa: TRY400
                return EXIT_CODES[type(leaf)]
        log.exception("ended", process=name)
        return FAILED
    return 0


async def _supervise(start: Start[S], settings: S) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    main = asyncio.create_task(start(settings, stop))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({main, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    await asyncio.wait({main}, timeout=GRACE_SECONDS)
    main.cancel()
    with suppress(asyncio.CancelledError):
        await main


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _complaint(error: ValidationError) -> str:
    problems = (f"DROVER_{'.'.join(map(str, item['loc'])).upper()}: {item['msg']}" for item in error.errors())
    return "\n".join(problems)
