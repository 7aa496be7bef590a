"""Bringing the file here over HTTP: bounded in time and size, going on where an earlier try stopped."""

import re
import time
from dataclasses import dataclass, field, replace

import aiohttp

from drover.agent.fetch.ask import answer
from drover.agent.fetch.body import CHUNK_BYTES, Digests, Sink, Validator, discard, held_back, opened, remembered
from drover.agent.fetch.order import Order, Progress, Source, Trouble
from drover.agent.fetch.room import room

OK, PARTIAL, UNSATISFIABLE = 200, 206, 416
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class Changed(Exception):
    """The server has another file by now than the one of which a part is here."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a transfer begins: at which byte, how long the whole is, and whether a later try could go on from it."""

    offset: int
    total: int | None
    resumable: bool


@dataclass(slots=True)
class Pace:
    """Watches that a server does not bring its file drop by drop."""

    order: Order
    since: float = field(default_factory=time.monotonic)
    brought: int = 0

    def take(self, size: int) -> None:
        """Note what came; raise Stalled when it was too little for too long."""
        self.brought += size
        lasted = time.monotonic() - self.since
        if lasted < self.order.stall_seconds:
            return
        if self.brought < self.order.least_rate * lasted:
            raise Trouble("Stalled", f"the server sends less than {self.order.least_rate} bytes a second")
        self.since, self.brought = time.monotonic(), 0


async def download(order: Order, source: Source, progress: Progress) -> Digests:
    """Fetch the file into ``order.part`` whole and verified; what fails leaves nothing that cannot be gone on from."""
    try:
        digests = await _try(order, source, progress)
    except Changed:
        discard(order)
        digests = await _try(order, source, progress)
    try:
        digests.verify()
    except Trouble:
        discard(order)
        raise
    return digests


async def _try(order: Order, source: Source, progress: Progress) -> Digests:
    digests, known = Digests(source.checksum), remembered(order)
    held = digests.feed(held_back(order, known))
    request = replace(source.request, headers={**source.request.headers, **_headers(held, known)})
    async with answer(order, request) as response:
        start = _start(response, held, known)
        if start.total is None and not source.checksum:
            _check_end(response)
        if start.offset != held:
            digests = Digests(source.checksum)
        await _receive(response, start, order, digests, progress)
    return digests


def _headers(held: int, known: Validator) -> dict[str, str]:
    """Ask for the rest only of the very file that the part is of."""
    plain = {"Accept-Encoding": "identity"}
    return plain | {"Range": f"bytes={held}-", "If-Range": known.value} if held and known.value else plain


def _start(response: aiohttp.ClientResponse, held: int, known: Validator) -> Start:
    if response.status == OK:
        resumable = response.headers.get("Accept-Ranges") == "bytes" and bool(_validator(response))
        return Start(0, response.content_length, resumable)
    if held and known.value and response.status in {PARTIAL, UNSATISFIABLE}:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if response.status == UNSATISFIABLE or found is None or not _same(response, found, held, known):
            raise Changed
        return Start(held, int(found[2]), resumable=True)
    raise Trouble("HTTPStatus", f"the server answered {response.status} {response.reason}")


def _check_end(response: aiohttp.ClientResponse) -> None:
    """Object to a file of which nobody could tell that it was cut short: it ends where the connection does."""
    if response.headers.get("Transfer-Encoding", "").lower() != "chunked":
        words = "the server says neither how long the file is nor where it ends: give the image a checksum"
        raise Trouble("LengthUnknown", words)


def _same(response: aiohttp.ClientResponse, found: re.Match[str], held: int, known: Validator) -> bool:
    """Whether an answer brings the rest of the very file; some servers do not look at If-Range."""
    total_fits = known.total is None or int(found[2]) == known.total
    return int(found[1]) == held and total_fits and _validator(response) in {"", known.value}


def _validator(response: aiohttp.ClientResponse) -> str:
    """What the server calls this very version of the file, empty when it does not say."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


async def _receive(
    response: aiohttp.ClientResponse, start: Start, order: Order, digests: Digests, progress: Progress
) -> None:
    check_size(start.total or 0, order)
    check_room((start.total or 0) - start.offset, order)
    if start.offset == 0:
        # The old part first: it must never stand beside the name of another version.
        discard(order)
        if start.resumable:
            Validator(_validator(response), start.total).save(order)
    try:
        with opened(order.part, append=start.offset > 0) as file:
            async with Sink(file, digests) as sink:
                done = await _take(response, start, order, sink, progress)
    except BaseException:
        if not start.resumable:
            discard(order)
        raise
    if start.total is not None and done != start.total:
        raise Trouble("Truncated", f"the server sent {done} of {start.total} bytes")


async def _take(response: aiohttp.ClientResponse, start: Start, order: Order, sink: Sink, progress: Progress) -> int:
    """Take the body in as long as it comes as it should; give the bytes there are then."""
    done, pace = start.offset, Pace(order)
    async for data in response.content.iter_chunked(CHUNK_BYTES):
        await sink.take(data)
        done += len(data)
        check_size(done, order)
        pace.take(len(data))
        progress("Downloading", done, start.total)
    progress("Downloading", done, start.total)
    return done


def check_room(size: int, order: Order) -> None:
    """Object to what the node has no room for."""
    free = room(order.directory)
    if size > free:
        raise Trouble("NoSpace", f"the file has {size} bytes to come, and the node has room for {free}")


def check_size(size: int, order: Order) -> None:
    """Object to what is larger than anything may be."""
    if size > order.maximum_bytes:
        discard(order)
        raise Trouble("TooLarge", f"the file is larger than the {order.maximum_bytes} bytes that are allowed")
