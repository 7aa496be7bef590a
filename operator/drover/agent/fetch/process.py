"""One fetch from beginning to end."""

import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from drover.agent.fetch import body as bodies
from drover.agent.fetch import disk, local
from drover.agent.fetch.download import download
from drover.agent.fetch.layer import extract
from drover.agent.fetch.order import Kind, Order, Progress, Result, Source, Trouble
from drover.agent.fetch.room import room
from drover.agent.fetch.source import find
from drover.agent.fetch.unpack import unpack
from drover.translation import diskimage

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""How the system says that a file cannot grow: by the disk, a quota or a limit."""


async def fetch(order: Order, progress: Progress) -> Result:
    """Fetch, verify, check and keep a file; raise `Trouble` with nothing left behind but what a later try can use."""
    with _told():
        source = await find(order)
        with _room_given_back(order):
            bring = local.take if order.local else download
            digest = (await bring(order, source, progress)).sha256
        with _nothing_left(order):
            size = order.part.stat().st_size
            async with _inside(order, source, progress) as file:
                result = await KEEP[order.kind](order, Body(file, source.digest or digest), progress)
            return replace(result, download_size=size)


@dataclass(frozen=True, slots=True)
class Body:
    """A file that has come, and the digest that stands for it."""

    path: Path
    digest: str


@asynccontextmanager
async def _inside(order: Order, source: Source, progress: Progress) -> AsyncIterator[Path]:
    """The file itself, or for as long as it is needed the disk in a layer."""
    if not source.layered:
        yield order.part
        return
    with _scratch(order, ".disk") as target:
        await extract(order.part, target, min(order.maximum_bytes, room(order.directory)), progress)
        yield target


async def _keep_file(order: Order, body: Body, _: Progress) -> Result:
    size = body.path.stat().st_size
    if size == 0:
        raise Trouble("Truncated", "the file is empty")
    _settle(body.path, order.directory / body.digest)
    return Result(f"sha256:{body.digest}", body.digest, size)


async def _keep_iso(order: Order, body: Body, progress: Progress) -> Result:
    with disk.understood():
        packing, beginning = disk.plain_head(body.path)
        diskimage.check_iso(beginning)
    target = order.directory / (f"{body.digest}.iso" if packing else body.digest)
    if not target.exists():
        async with _plain(order, body, disk.Look(packing, "raw", None), progress) as source:
            _settle(source, target)
    size = target.stat().st_size
    return Result(f"sha256:{body.digest}", target.name, size, "raw", size)


async def _keep_disk(order: Order, body: Body, progress: Progress) -> Result:
    found = disk.recognise(body.path)
    target = order.directory / f"{body.digest}.qcow2"
    virtual_size = await disk.inspect(target) if target.exists() else await _make(order, body, found, target, progress)
    return Result(f"sha256:{body.digest}", target.name, target.stat().st_size, found.format, virtual_size)


async def _make(order: Order, body: Body, found: disk.Look, target: Path, progress: Progress) -> int:
    """Put the disk in its place as qcow2; give the size that a guest sees."""
    async with _plain(order, body, found, progress) as source:
        if found.format == "qcow2":
            virtual_size = await disk.inspect(source)
            _settle(source, target)
            return virtual_size
        if found.format != "raw":
            await disk.inspect(source, found.format)
        with _scratch(order, ".qcow2") as converted:
            await disk.convert(source, found.format, converted, progress)
            virtual_size = await disk.inspect(converted)
            _settle(converted, target)
            return virtual_size


KEEP: Mapping[Kind, Callable[[Order, Body, Progress], Awaitable[Result]]] = {
    "Disk": _keep_disk,
    "ISO": _keep_iso,
    "File": _keep_file,
}


@asynccontextmanager
async def _plain(order: Order, body: Body, found: disk.Look, progress: Progress) -> AsyncIterator[Path]:
    """The file itself, or for as long as it is needed what is packed in it."""
    if found.packing is None:
        yield body.path
        return
    with _scratch(order, ".plain") as target:
        await unpack(body.path, target, found.packing, found.most(order.maximum_bytes), progress)
        yield target


@contextmanager
def _scratch(order: Order, suffix: str) -> Iterator[Path]:
    """A file beside the part that does not outlive the work on it."""
    path = order.part.with_name(f"{order.part.name}{suffix}")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _settle(source: Path, target: Path) -> None:
    """Put a whole file in its place; one that is there already is the same, and guests may be using it."""
    if target.exists():
        return
    source.chmod(0o644)
    bodies.persist(source)
    source.rename(target)
    directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def _nothing_left(order: Order) -> Iterator[None]:
    """Remove the part, unless the work on it was only interrupted."""
    try:
        yield
    except Exception:
        bodies.discard(order)
        raise
    except BaseException:
        bodies.interrupted(order)
        raise
    bodies.discard(order)


@contextmanager
def _room_given_back(order: Order) -> Iterator[None]:
    """Keep no part on a disk that is full."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            bodies.discard(order)
        raise


@contextmanager
def _told() -> Iterator[None]:
    """Turn every foreseen failure into `Trouble`."""
    try:
        yield
    except aiohttp.ServerTimeoutError as error:
        raise _timeout(error) from error
    except aiohttp.ClientPayloadError as error:
        raise Trouble("Truncated", f"the connection ended before the file did: {error}") from error
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Trouble("Unreachable", f"{type(error).__name__}: {error}") from error
    except OSError as error:
        if error.errno in _FULL:
            raise Trouble("NoSpace", f"no room is left for the file: {error}") from error
        raise Trouble("Unreachable", str(error)) from error


def _timeout(error: aiohttp.ServerTimeoutError) -> Trouble:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Trouble("Unreachable", f"the server cannot be reached: {error}")
    return Trouble("Stalled", f"the server stopped sending: {error}")
