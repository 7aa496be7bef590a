"""One fetch from beginning to end."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp

from drover.agent.fetch import body, disk
from drover.agent.fetch.download import Progress, download
from drover.agent.fetch.order import Order, Result, Trouble

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""How the system says that a file cannot grow: by the disk, a quota or a limit."""


async def fetch(order: Order, progress: Progress) -> Result:
    """Fetch, verify, check and keep a file; raise `Trouble` with nothing left behind but what a later try can use."""
    with _told():
        with _room_given_back(order):
            digest = (await download(order, progress)).sha256
        with _nothing_left(order):
            size = order.part.stat().st_size
            return replace(await (_keep_disk if order.disk else _keep_file)(order, digest), download_size=size)


async def _keep_file(order: Order, digest: str) -> Result:
    size = order.part.stat().st_size
    if size == 0:
        raise Trouble("Truncated", "the file is empty")
    _settle(order.part, order.directory / digest)
    return Result(f"sha256:{digest}", digest, size)


async def _keep_disk(order: Order, digest: str) -> Result:
    found = disk.recognise(order.part)
    target = order.directory / f"{digest}.qcow2"
    source = order.part
    if found == "raw" and not target.exists():
        source = order.part.with_name(f"{order.part.name}.qcow2")
        await disk.convert(order.part, source)
    try:
        virtual_size = await disk.inspect(target if target.exists() else source)
        _settle(source, target)
    finally:
        if source != order.part:
            source.unlink(missing_ok=True)
    return Result(f"sha256:{digest}", target.name, target.stat().st_size, found, virtual_size)


def _settle(source: Path, target: Path) -> None:
    """Put a whole file in its place; one that is there already is the same, and guests may be using it."""
    if target.exists():
        return
    source.chmod(0o644)
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
        body.discard(order)
        raise
    except BaseException:
        body.interrupted(order)
        raise
    body.discard(order)


@contextmanager
def _room_given_back(order: Order) -> Iterator[None]:
    """Keep no part on a disk that is full."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            body.discard(order)
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
