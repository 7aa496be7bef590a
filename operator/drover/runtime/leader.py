"""Work that only one of several replicas may do.

The others watch and keep their caches warm, but their queues stand still until the lease is theirs.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from drover.errors import OperatorError
from drover.kube.lease import Elector

log = structlog.stdlib.get_logger(__name__)
RELEASE_SECONDS = 2.0
"""How long a leader that stops tries to hand the lease on."""


class LostLeadership(Exception):
    """Another replica may lead now: the process must end at once, whatever it was doing."""


async def lead(
    elector: Elector, work: Callable[[], Awaitable[None]], *, leading: Callable[[bool], None] = lambda _: None
) -> None:
    """Wait for the lease, then work until cancelled or the work ends; `LostLeadership` when the lease is lost.

    A leader that stops in good order hands the lease on at once.
    """
    await elector.acquire()
    log.info("leading", holder=elector.holder)
    leading(True)  # noqa: FBT003 - it answers "leading?"
    held = True
    try:
        await _work_while_held(elector, work)
    except LostLeadership:
        held = False
        raise
    finally:
        leading(False)  # noqa: FBT003 - it answers "leading?"
        if held:
            await _release(elector)


async def _work_while_held(elector: Elector, work: Callable[[], Awaitable[None]]) -> None:
    working = asyncio.ensure_future(work())
    holding = asyncio.create_task(elector.hold(), name="lease")
    try:
        await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
        if holding.done():
            raise LostLeadership(f"{elector.holder} could not renew its lease")
        await working
    finally:
        await _stop(working, holding)


async def _stop(*tasks: asyncio.Future[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _release(elector: Elector) -> None:
    with suppress(OperatorError, TimeoutError):
        async with asyncio.timeout(RELEASE_SECONDS):
            await elector.release()
