"""Whether objects are being deleted one by one, which is an order, or all at once because their definition goes."""

import asyncio

from drover.api.kinds import CRD, Kind
from drover.kube.client import Cluster
from drover.state.resource import Key, read_meta


async def kinds_removed(cluster: Cluster, *kinds: Kind) -> bool:
    """Whether the definition of any of the kinds is gone or going: its objects are deleted without anybody's order."""
    names = (Key("", f"{kind.plural}.{kind.group}") for kind in kinds)
    found = await asyncio.gather(*(cluster.get(CRD, name, metadata_only=True) for name in names))
    return any(body is None or read_meta(body).deleting for body in found)
