"""Bringing the file here from a pool of this node: a captured image is copied, and hashed as any other on its way."""

from drover.agent.fetch.body import CHUNK_BYTES, Digests, Sink, discard, opened
from drover.agent.fetch.download import check_room, check_size
from drover.agent.fetch.order import Order, Progress, Source


async def take(order: Order, source: Source, progress: Progress) -> Digests:
    """Copy the file into ``order.part`` whole and verified; what fails leaves nothing behind."""
    discard(order)
    digests = Digests(source.checksum)
    try:
        await _copy(order, digests, progress)
        digests.verify()
    except BaseException:
        discard(order)
        raise
    return digests


async def _copy(order: Order, digests: Digests, progress: Progress) -> None:
    assert order.local is not None
    total = order.local.stat().st_size
    check_size(total, order)
    check_room(total, order)
    with order.local.open("rb") as origin, opened(order.part, append=False) as file:
        async with Sink(file, digests) as sink:
            done = 0
            while piece := origin.read(CHUNK_BYTES):
                await sink.take(piece)
                done += len(piece)
                progress("Downloading", done, total)
