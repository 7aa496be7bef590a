"""Work that takes long: nobody waits for it, nobody forgets it."""

import asyncio

import pytest

from drover.agent.chores import FAILURES, Chore, Chores
from drover.errors import NotReady, Retryable

COPY = Chore("uid", "Copying", "it is being copied")


class Slow:
    """Work that ends when it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.go, self._error = 0, asyncio.Event(), error

    async def __call__(self) -> int:
        self.begun += 1
        await self.go.wait()
        if self._error:
            raise self._error
        return 7


async def under_way(chores: Chores, work: Slow) -> str:
    with pytest.raises(NotReady) as trouble:
        await chores.do(COPY, work)
    return trouble.value.reason


async def test_what_is_quick_is_waited_for() -> None:
    work = Slow()
    work.go.set()

    assert await Chores().do(COPY, work) == 7


async def test_what_takes_long_is_begun_once_and_keeps_nobody_waiting() -> None:
    chores, work = Chores(patience=0.01), Slow()
    assert [await under_way(chores, work) for _ in range(2)] == ["Copying"] * 2
    with pytest.raises(NotReady, match="being written"):
        chores.check_idle("uid")

    work.go.set()
    assert (await chores.do(COPY, work), work.begun) == (7, 1)
    chores.check_idle("uid")


@pytest.mark.parametrize("quick", [True, False])
async def test_what_it_failed_with_is_told_once(*, quick: bool) -> None:
    chores, work = Chores(patience=0.01), Slow(Retryable("no room", reason="PoolFull"))
    if not quick:
        await under_way(chores, work)
    work.go.set()
    await asyncio.sleep(0 if quick else 0.02)
    for begun in (1, 2):
        with pytest.raises(Retryable, match="no room"):
            await chores.do(COPY, work)
        assert work.begun == begun


async def test_what_is_given_up_is_begun_anew_when_it_is_wanted_again() -> None:
    chores, work = Chores(patience=0.01), Slow(Retryable("too late"))
    await under_way(chores, work)
    assert chores.is_doing("uid")

    chores.give_up("uid")
    chores.give_up("uid")
    assert not chores.is_doing("uid")

    await under_way(chores, again := Slow())
    again.go.set()
    assert await chores.do(COPY, again) == 7


async def test_failures_that_nobody_asks_for_are_forgotten() -> None:
    chores, work = Chores(patience=0), Slow(Retryable("no room"))
    for number in range(FAILURES + 1):
        with pytest.raises(NotReady):
            await chores.do(Chore(str(number), "Copying", ""), work)
    work.go.set()
    await asyncio.sleep(0.05)

    assert len(chores._failed) == FAILURES
