"""Whether the cluster's CRDs are there and not older than the program: looked at once, before the work begins."""

import asyncio
from collections.abc import Mapping

import structlog

from drover import __version__
from drover.api.kinds import CRD, OURS
from drover.errors import Retryable
from drover.kube.client import Cluster
from drover.kube.errors import Rejected
from drover.planning.definitions import Installed, read, unfit
from drover.state.resource import Key

RETRY_SECONDS = 2.0
log = structlog.stdlib.get_logger(__name__)


class OutdatedKinds(Exception):
    """A CRD is missing or of an older release: a person must apply those of this one."""


async def check(cluster: Cluster) -> None:
    """Wait for the API server, then raise `OutdatedKinds` unless the CRDs are fit for this program."""
    while True:
        try:
            trouble = unfit(await _installed(cluster), __version__)
        except Rejected as error:
            log.warning("the CRDs may not be looked at", message=str(error))
            return
        except Retryable as error:
            log.warning("the CRDs cannot be looked at yet", message=str(error))
            await asyncio.sleep(RETRY_SECONDS)
            continue
        if trouble:
            raise OutdatedKinds(trouble)
        return


async def _installed(cluster: Cluster) -> Mapping[str, Installed | None]:
    names = [f"{kind.plural}.{kind.group}" for kind in OURS]
    found = await asyncio.gather(*(cluster.get(CRD, Key("", name), metadata_only=True) for name in names))
    return {name: read(body) if body else None for name, body in zip(names, found, strict=True)}
