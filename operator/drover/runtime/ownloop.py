"""A coroutine in a thread with an event loop of its own, for a library that would meddle with ours."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

STOP_SECONDS = 3.0
"""How long the coroutine may take to end once it was told to; then it is left to the end of the process."""

CANCEL_SECONDS = 0.5
"""How long what it left behind may take to end."""


class OwnLoop:
    """Runs ``main(stop)`` in a thread; `stop` is an event of that thread's loop."""

    def __init__(self, name: str, main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
        self._name = name
        self._main = main
        self._inner: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._halted = False

    async def run(self, stop: asyncio.Event) -> None:
        """Run until the coroutine ends, raising what it raised, or until `stop`, which is passed on."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        threading.Thread(target=self._thread, args=(loop, ended), name=self._name, daemon=True).start()
        stopped = asyncio.create_task(stop.wait(), name=f"stop of {self._name}")
        either: set[asyncio.Future[Any]] = {stopped, ended}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            self._halt()
            await asyncio.wait({ended}, timeout=STOP_SECONDS)
        if ended.done():
            ended.result()

    def _halt(self) -> None:
        self._halted = True
        if self._inner is not None:
            loop, stop = self._inner
            with suppress(RuntimeError):  # that loop has ended
                loop.call_soon_threadsafe(stop.set)

    def _thread(self, outer: asyncio.AbstractEventLoop, ended: "asyncio.Future[None]") -> None:
        error: BaseException | None = None
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._run_inside())
        except BaseException as caught:  # noqa: BLE001 - it is raised where the thread is waited for
            error = caught
        loop.run_until_complete(_cancel_the_rest())
        loop.close()
        with suppress(RuntimeError):  # the loop that waited has ended
            outer.call_soon_threadsafe(_settle, ended, error)

    async def _run_inside(self) -> None:
        stop = asyncio.Event()
        self._inner = (asyncio.get_running_loop(), stop)
        if self._halted:
            return
        await self._main(stop)


async def _cancel_the_rest() -> None:
    # Not `asyncio.run`: it would wait for ever for a task that does not let itself be cancelled.
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=CANCEL_SECONDS)
    await asyncio.get_running_loop().shutdown_asyncgens()


def _settle(ended: "asyncio.Future[None]", error: BaseException | None) -> None:
    if ended.done():
        return
    if error is None:
        ended.set_result(None)
    else:
        ended.set_exception(error)
