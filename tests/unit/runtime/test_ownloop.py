import asyncio
import threading

import pytest

from drover.runtime.ownloop import OwnLoop


async def test_it_runs_in_a_thread_of_its_own_until_stopped() -> None:
    stop, threads = asyncio.Event(), list[str]()
    loop = asyncio.get_running_loop()

    async def main(halt: asyncio.Event) -> None:
        threads.append(threading.current_thread().name)
        loop.call_soon_threadsafe(stop.set)
        await halt.wait()
        threads.append("ended")

    await OwnLoop("feed", main).run(stop)

    assert threads == ["feed", "ended"]


async def test_what_it_raises_is_raised_here() -> None:
    async def main(_: asyncio.Event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await OwnLoop("feed", main).run(asyncio.Event())


async def test_a_stop_before_it_begins_ends_it() -> None:
    stop = asyncio.Event()
    stop.set()

    await asyncio.wait_for(OwnLoop("feed", lambda halt: halt.wait()).run(stop), 5)  # type: ignore[arg-type, return-value]
