"""Applying CRDs: looked at first, all of them, and refused as a whole."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from drover.api import crds
from drover.api.kinds import CRD
from drover.errors import Refused, Unavailable
from drover.kube.client import Cluster
from drover.planning.definitions import MANAGER, Installed, established, name_trouble, read, refusals
from drover.state.resource import Body, Key

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Options:
    """How to apply."""

    dry_run: bool = False
    """Whether the API server only checks what it is given."""
    wait_seconds: float = 0.0
    """How long to wait until the kinds are served; 0 does not wait."""


async def apply(cluster: Cluster, options: Options) -> AsyncIterator[str]:
    """Apply all CRDs, yielding a line for each; `Refused` before anything is changed."""
    wanted = crds.definitions()
    before = await installed(cluster, tuple(wanted))
    if refused := refusals(wanted.values(), before):
        raise Refused("refused, nothing was changed\n  " + "\n  ".join(refused))
    for name, body in wanted.items():
        written = await cluster.apply(CRD, Key("", name), body, manager=MANAGER, dry_run=options.dry_run)
        would = " (dry run)" if options.dry_run else ""
        yield f"customresourcedefinition {name}: {_became(before.get(name), written)}{would}"
    if options.wait_seconds and not options.dry_run:
        await wait(cluster, tuple(wanted), options.wait_seconds)
        yield f"all {len(wanted)} kinds are served"


async def installed(cluster: Cluster, names: tuple[str, ...]) -> Mapping[str, Installed]:
    """Read what the cluster has of the CRDs."""
    found = await asyncio.gather(*(cluster.get(CRD, Key("", name)) for name in names))
    return {body["metadata"]["name"]: read(body) for body in found if body is not None}


async def wait(cluster: Cluster, names: tuple[str, ...], seconds: float) -> None:
    """Wait until every kind is served; `Unavailable` when that takes longer, `Refused` when it will never be."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(_served(cluster, name) for name in names))
    except TimeoutError as error:
        raise Unavailable(f"the API server does not serve every kind after {seconds:.0f} s") from error


async def _served(cluster: Cluster, name: str) -> None:
    while True:
        body = await cluster.get(CRD, Key("", name))
        if body is not None and established(body):
            return
        if body is not None and (trouble := name_trouble(body)):
            raise Refused(f"{name}: {trouble}")
        await asyncio.sleep(POLL_SECONDS)


def _became(before: Installed | None, written: Body | None) -> str:
    if before is None or written is None:
        return "created"
    if read(written).generation != before.generation:
        return f"changed, from release {before.version or 'unknown'}"
    return "unchanged" if read(written).version == before.version else f"unchanged, now of {read(written).version}"
