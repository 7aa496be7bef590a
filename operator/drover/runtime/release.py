"""One release in one cluster: the kinds and the hosts are shared, so two of them would undo each other's work.

A Lease outside both namespaces names the one that owns the cluster, by its namespace. Whoever finds it renewed by
another ends; one that nobody renews any more is taken over.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

import structlog

from drover.api.kinds import LEASE
from drover.errors import OperatorError, Retryable
from drover.kube.client import Cluster
from drover.kube.errors import Rejected
from drover.kube.lease import Elector, Terms
from drover.state.resource import Key

OWNER = Key("kube-system", "drover-owner")
TERMS = Terms(lease=30.0, renew=25.0, retry=5.0)
RELEASE_SECONDS = 2.0
log = structlog.stdlib.get_logger(__name__)


class ForeignRelease(Exception):
    """Another release of Drover works in this cluster."""


@asynccontextmanager
async def owned(
    cluster: Cluster, namespace: str, terms: Terms = TERMS
) -> AsyncIterator[Callable[[], Coroutine[None, None, None]]]:
    """Own the cluster for the release in `namespace`; gives what must run meanwhile.

    `ForeignRelease` when another owns it, at the beginning or later.
    """
    elector = Elector(cluster, OWNER, namespace, terms=terms)
    allowed = await _claim(cluster, elector)

    async def hold() -> None:
        while allowed:
            await elector.hold()
            await _claim(cluster, elector)

    try:
        yield hold
    finally:
        with suppress(OperatorError, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await elector.release()


async def _claim(cluster: Cluster, elector: Elector) -> bool:
    """Take the Lease, once it is free or was not renewed for its time; tell whether we may at all."""
    first: object = None
    while True:
        try:
            if await elector.try_acquire():
                return True
            spec = ((await cluster.get(LEASE, OWNER)) or {}).get("spec") or {}
        except Rejected as error:
            log.warning("nobody can tell whether another release is in this cluster", message=str(error))
            return False
        except Retryable as error:
            log.warning("cannot own the cluster yet", message=str(error))
            spec = {}
        renewed = (spec.get("holderIdentity"), spec.get("renewTime"))
        first = first or (renewed if spec else None)
        if spec and renewed != first:
            _refuse(spec.get("holderIdentity"), elector.holder)
        if spec:
            log.warning("waits to see whether another release is at work", namespace=spec.get("holderIdentity"))
        await asyncio.sleep(elector.terms.retry)


def _refuse(holder: object, namespace: str) -> None:
    raise ForeignRelease(
        f"the release in namespace {holder} works in this cluster: there can be only one; uninstall that or this, in"
        f" namespace {namespace}"
    )
