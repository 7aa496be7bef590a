"""Reports of Domains: what is settled is said at once, what passes only if it takes its time."""

import time
from collections.abc import Callable

from drover.api.domain import DomainStatus
from drover.api.kinds import DOMAIN
from drover.kube.client import Cluster
from drover.metrics.registry import wrote
from drover.planning import names
from drover.planning.view import DomainView
from drover.state.resource import Key


class Reporter:
    """Writes statuses of Domains; remembers since when each has been unsettled."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._unsettled: dict[Key, float] = {}

    async def report(self, order: DomainView, status: DomainStatus, *, patience: float) -> float | None:
        """Write a status that differs from what the API server has, if that has lasted for `patience` seconds.

        Gives the seconds after which to come again. What is settled has no patience.
        """
        key = order.meta.key
        if not patience:
            self._unsettled.pop(key, None)
        else:
            left = patience - (self._clock() - self._unsettled.setdefault(key, self._clock()))
            if left > 0:
                return left
        if status != order.status:
            await self._write(order, status)
            if patience:
                self._unsettled[key] = self._clock()
        return None

    def forget(self, key: Key) -> None:
        """Forget a Domain that is gone."""
        self._unsettled.pop(key, None)

    async def _write(self, order: DomainView, status: DomainStatus) -> None:
        meta = order.meta
        # The uid keeps the words from reaching another Domain of this name.
        content = {
            "metadata": {"uid": meta.uid},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        wrote(DOMAIN.name, "status")
        await self._cluster.apply(DOMAIN, meta.key, content, manager=names.MANAGER_AGENT, subresource="status")
