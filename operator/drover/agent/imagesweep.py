"""Images that nobody on this node needs any more: looked for again and again, and deleted."""

import asyncio
from collections.abc import Iterator
from functools import partial

import structlog

from drover.agent.node import Node
from drover.api.domain import Artifact
from drover.api.kinds import DOMAIN
from drover.runtime.patience import patiently

log = structlog.stdlib.get_logger(__name__)


async def run(node: Node) -> None:
    """Look again and again until cancelled."""
    while True:
        await asyncio.sleep(node.images.rules.look_seconds)
        await node.host.wait_connected()
        await patiently("look for images nobody needs", partial(sweep, node))


async def sweep(node: Node) -> None:
    """Delete what nobody needs, as soon as everybody who might is known."""
    if not node.orders.primed:
        return
    named = await node.host.named_images()
    # Nothing is waited for from here on: whoever orders an image meanwhile finds it, or finds it gone.
    for name in node.images.tidy(named, ordered(node)):
        log.info("an image nobody needs was deleted", file=name)
    await node.images.sweep()


def ordered(node: Node) -> Iterator[tuple[Artifact, bool]]:
    """What the Domains here name, and whether it is wanted as a disk."""
    domains = (node.orders.domain(key) for key in node.orders.keys(DOMAIN))
    for spec in (each.spec for each in domains if each):
        for disk in spec.disks:
            if disk.image:
                yield from ((disk.image.source, True), (disk.image.source, False))
        yield from ((medium.image.source, False) for medium in spec.media if medium.image)
        if spec.kernel:
            yield spec.kernel.kernel, False
            if spec.kernel.initrd:
                yield spec.kernel.initrd, False
