"""Side work that must outlive its troubles: a step that fails is said, and tried again later."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from drover.errors import OperatorError

log = structlog.stdlib.get_logger(__name__)
LONGEST_SECONDS = 60.0


async def patiently(name: str, step: Callable[[], Awaitable[None]], *, pause: float = 1.0) -> None:
    """Do a step until it succeeds; the pause between two tries doubles, up to a minute."""
    while True:
        try:
            await step()
        except OperatorError as error:
            log.warning("side work failed", work=name, reason=error.reason, message=str(error))
        except Exception:
            log.exception("side work failed", work=name)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(LONGEST_SECONDS, 2 * pause)
