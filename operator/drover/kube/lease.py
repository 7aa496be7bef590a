"""Leases: one leader among replicas, and the heartbeat of a node's agent.

Whether somebody else still renews is judged by our own monotonic clock since we last saw the lease change: clocks of
different machines are never compared.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drover.api.kinds import LEASE
from drover.errors import Retryable
from drover.kube.client import Cluster
from drover.state.resource import Body, Key

MANAGER = "drover-lease"
FRESH = 0.75
"""Part of a lease's time for which it may be relied on: what is done on the strength of it takes time too."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """The times of a lease, in seconds."""

    lease: float = 15.0
    """A lease nobody renewed for so long may be taken."""
    renew: float = 10.0
    """A leader that could not renew for so long stops leading: less than `lease`."""
    retry: float = 2.0
    """Between two tries."""


class Elector:
    """A candidate for the lease `key`; `holder` tells candidates apart and must differ between processes."""

    def __init__(
        self,
        cluster: Cluster,
        key: Key,
        holder: str,
        *,
        terms: Terms = Terms(),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.holder = holder
        self.terms = terms
        self._cluster = cluster
        self._key = key
        self._monotonic = monotonic
        self._seen: tuple[object, float] = (None, 0.0)

    async def try_acquire(self) -> bool:
        """Take or renew the lease if that is allowed now; `Retryable` when the API server does not agree or answer."""
        found = await self._cluster.get(LEASE, self._key)
        if found is None:
            await self._cluster.create(LEASE, self._content({}))
            return True
        if self._taken(found["spec"]):
            return False
        await self._cluster.replace(LEASE, {**self._content(found["spec"]), "metadata": found["metadata"]})
        return True

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        while True:
            if await self._attempt():
                return
            await asyncio.sleep(self.terms.retry)

    async def hold(self) -> None:
        """Renew the lease; return when it could not be renewed in time or was taken: stop leading at once."""
        renewed = self._monotonic()
        while self._monotonic() - renewed < self.terms.renew:
            await asyncio.sleep(self.terms.retry)
            asked = self._monotonic()
            if await self._attempt(self.terms.renew - (asked - renewed)):
                renewed = asked

    async def release(self) -> None:
        """Let the next candidate have the lease at once, if it is ours."""
        found = await self._cluster.get(LEASE, self._key)
        if found is not None and found["spec"].get("holderIdentity") == self.holder:
            await self._cluster.replace(LEASE, {**found, "spec": {**found["spec"], "holderIdentity": ""}})

    async def _attempt(self, limit: float | None = None) -> bool:
        try:
            async with asyncio.timeout(None if limit is None else max(limit, 0.0)):
                return await self.try_acquire()
        except (Retryable, TimeoutError) as error:
            log.warning("lease %s: %s", self._key, error or "no answer in time")
            return False

    def _taken(self, spec: Body) -> bool:
        present = (spec.get("holderIdentity"), spec.get("renewTime"))
        if present != self._seen[0]:
            self._seen = (present, self._monotonic())
        if spec.get("holderIdentity") in {None, "", self.holder}:
            return False
        return self._monotonic() - self._seen[1] < float(spec.get("leaseDurationSeconds", self.terms.lease))

    def _content(self, previous: Body) -> Body:
        now = micro_time(self._cluster.now())
        spec: dict[str, Any] = {
            **previous,
            "holderIdentity": self.holder,
            "leaseDurationSeconds": int(self.terms.lease),
            "renewTime": now,
        }
        if previous.get("holderIdentity") != self.holder:
            spec |= {"acquireTime": now, "leaseTransitions": previous.get("leaseTransitions", -1) + 1}
        metadata = {"name": self._key.name, "namespace": self._key.namespace}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}


class Heartbeat:
    """Shows that this node's agent lives by renewing a lease of its own, which it creates."""

    def __init__(self, cluster: Cluster, key: Key, holder: str, *, every: float = 10.0, lease: float = 40.0) -> None:
        self.cluster = cluster
        self._key = key
        self._lease = lease
        self._content = {"holderIdentity": holder, "leaseDurationSeconds": int(lease)}
        self._every = every
        self.renewed_at: float | None = None
        """Monotonic seconds of the last renewal, ``None`` before the first."""

    async def beat(self) -> None:
        """Renew once; `Retryable` when that was not possible."""
        asked = time.monotonic()
        spec = {**self._content, "renewTime": micro_time(self.cluster.now())}
        await self.cluster.apply(LEASE, self._key, {"spec": spec}, manager=MANAGER)
        self.renewed_at = asked

    def is_fresh(self) -> bool:
        """Tell whether the last renewal is so young that nobody can take us for lost yet."""
        return self.renewed_at is not None and time.monotonic() - self.renewed_at < self._lease * FRESH

    async def run(self, stop: asyncio.Event) -> None:
        """Renew until `stop`; trouble is logged and tried again sooner than the next renewal is due."""
        while not stop.is_set():
            pause = self._every
            try:
                await self.beat()
            except Retryable as error:
                log.warning("heartbeat %s: %s", self._key, error)
                pause = min(self._every, 2.0)
            await _pause(stop, pause)


def micro_time(moment: datetime) -> str:
    """Write a UTC time as Kubernetes' MicroTime."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
