"""Bringing the file here over HTTP: bounded in time, size and redirects, going on where an earlier try stopped."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from drover.agent.fetch.body import CHUNK_BYTES, Digests, Validator, discard, forget_note, opened, remembered
from drover.agent.fetch.order import Order, Trouble

MAXIMUM_REDIRECTS = 5
PROGRESS_SECONDS = 1.0
OK, PARTIAL, UNSATISFIABLE = 200, 206, 416

Progress = Callable[[int, int | None], None]
"""Told bytes done and bytes in all, if known."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a transfer begins: at which byte, how long the whole is, and whether a later try could go on from it."""

    offset: int
    total: int | None
    resumable: bool


async def download(order: Order, progress: Progress) -> Digests:
    """Fetch the file into ``order.part`` whole and verified; what fails leaves nothing that cannot be gone on from."""
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=order.connect_seconds, sock_read=order.stall_seconds, connect=order.connect_seconds
    )
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False, trust_env=True) as session:
        digests = await _try(session, order, progress)
    try:
        digests.verify()
    except Trouble:
        discard(order)
        raise
    forget_note(order)
    return digests


async def _try(session: aiohttp.ClientSession, order: Order, progress: Progress) -> Digests:
    digests = Digests(order.checksum)
    held = digests.feed(order.part)
    headers = _headers(held, remembered(order))
    async with session.get(order.url, headers=headers, max_redirects=MAXIMUM_REDIRECTS) as response:
        if response.status == UNSATISFIABLE:
            discard(order)
            return await _try(session, order, progress)
        start = _start(response, held)
        if start.offset != held:
            digests = Digests(order.checksum)
        await _receive(response, start, order, digests, progress)
    return digests


def _headers(held: int, validator: Validator) -> dict[str, str]:
    """Ask for the rest only of the very file that the part is of."""
    plain = {"Accept-Encoding": "identity"}
    if not held or not validator.value:
        return plain
    return plain | {"Range": f"bytes={held}-", "If-Range": validator.value}


def _start(response: aiohttp.ClientResponse, held: int) -> Start:
    length = response.content_length
    if response.status == OK:
        resumable = response.headers.get("Accept-Ranges") == "bytes" and bool(_validator(response).value)
        return Start(0, length, resumable)
    if response.status == PARTIAL and response.headers.get("Content-Range", "").startswith(f"bytes {held}-"):
        return Start(held, None if length is None else held + length, resumable=True)
    raise Trouble("HTTPStatus", f"{response.url} answered {response.status} {response.reason}")


def _validator(response: aiohttp.ClientResponse) -> Validator:
    tag = response.headers.get("ETag", "")
    return Validator(tag if tag.startswith('"') else response.headers.get("Last-Modified", ""))


async def _receive(
    response: aiohttp.ClientResponse, start: Start, order: Order, digests: Digests, progress: Progress
) -> None:
    _check_room(start, order)
    if start.resumable and start.offset == 0:
        _validator(response).save(order)
    try:
        with opened(order.part, append=start.offset > 0) as file:
            done, told = start.offset, 0.0
            async for data in response.content.iter_chunked(CHUNK_BYTES):
                file.write(data)
                digests.update(data)
                done += len(data)
                _check_size(done, order)
                if time.monotonic() - told >= PROGRESS_SECONDS:
                    told = time.monotonic()
                    progress(done, start.total)
            progress(done, start.total)
    except BaseException:
        if not start.resumable:
            discard(order)
        raise


def _check_room(start: Start, order: Order) -> None:
    if start.total is not None:
        _check_size(start.total, order)


def _check_size(size: int, order: Order) -> None:
    if size > order.maximum_bytes:
        discard(order)
        raise Trouble("TooLarge", f"the file is larger than the {order.maximum_bytes} bytes that are allowed")
