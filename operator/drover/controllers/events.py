"""Events about machines: sent one after the other, behind the work, and rather lost than waited for."""

import asyncio
from collections.abc import Iterable

from drover.api.kinds import VIRTUALMACHINE
from drover.kube import events
from drover.kube.client import Cluster
from drover.kube.events import Regarding
from drover.planning.names import MANAGER_CONTROLLER
from drover.planning.transition import News
from drover.state.resource import Meta

LIMIT = 1000
"""Events that may wait; more are dropped."""
PAUSE_SECONDS = 0.05
"""Between two Events: a burst of starting machines has better uses for the API server."""
DELAY_SECONDS = 1.0


class Events:
    """The queue of Events to send."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[tuple[Meta, News]] = asyncio.Queue(LIMIT)

    def tell(self, meta: Meta, news: Iterable[News]) -> None:
        """Have Events about a machine sent."""
        for each in news:
            if self._waiting.full():
                return
            self._waiting.put_nowait((meta, each))

    async def run(self, cluster: Cluster) -> None:
        """Send Events until cancelled."""
        while True:
            meta, news = await self._waiting.get()
            if self._waiting.empty():
                await asyncio.sleep(DELAY_SECONDS)
            await events.emit(
                cluster,
                Regarding(VIRTUALMACHINE, meta),
                reason=news.reason,
                message=news.message,
                warning=news.warning,
                component=MANAGER_CONTROLLER,
            )
            await asyncio.sleep(PAUSE_SECONDS)
