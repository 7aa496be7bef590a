"""Unpacking a disk: never more than it says that it is and the node has room for, and holes stay holes."""

import asyncio
import gzip
import lzma
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard

from drover.agent.fetch.body import CHUNK_BYTES, opened
from drover.agent.fetch.order import Progress, Trouble
from drover.agent.fetch.room import room
from drover.translation.diskimage import Packing

LARGEST_WINDOW = 1 << 27
"""Memory that a zstd archive may ask for: what `zstd --long` takes."""
FEED_BYTES = 2048
"""What is unpacked at a time: each four bytes of a zstd archive can stand for 128 KiB."""
NOTHING = bytes(CHUNK_BYTES)
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile, MemoryError)


class Reader(Protocol):
    """What an archive is read by."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes of its content."""


def _gzip(file: BinaryIO) -> Reader:
    return gzip.GzipFile(fileobj=file)


def _xz(file: BinaryIO) -> Reader:
    return lzma.LZMAFile(file)


@dataclass(slots=True)
class Zstd:
    """Reads frame after frame; unlike the library's own reader it tells when the last one is cut short."""

    file: BinaryIO
    _frame: "zstandard.ZstdDecompressionObj | None" = None
    _input: bytes = b""
    _ready: bytes = b""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes of the content; none are left when it gives none."""
        while not self._ready and self._more():
            pass
        given, self._ready = self._ready[:size], self._ready[size:]
        return given

    def _more(self) -> bool:
        """Unpack a little more; False at the end."""
        data = self._input or self.file.read(FEED_BYTES)
        if not data and self._frame is None:
            return False
        if not data:
            raise EOFError("it is cut short")
        frame = self._frame or zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW).decompressobj()
        self._ready = frame.decompress(data)
        self._input, self._frame = (frame.unused_data, None) if frame.eof else (b"", frame)
        return True


def _zstd(file: BinaryIO) -> Reader:
    return Zstd(file)


READERS: Mapping[Packing, Callable[[BinaryIO], Reader]] = {"gzip": _gzip, "xz": _xz, "zstd": _zstd}


@contextmanager
def content(path: Path, packing: Packing) -> Iterator[tuple[BinaryIO, Reader]]:
    """Open an archive: its file, and what gives its content."""
    with path.open("rb") as file:
        yield file, reader(file, packing)


def reader(file: BinaryIO, packing: Packing) -> Reader:
    """What gives the content of an archive."""
    return Told(READERS[packing](file), packing)


@dataclass(frozen=True, slots=True)
class Told:
    """Tells what is wrong with an archive as the trouble of a fetch."""

    inner: Reader
    packing: Packing

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes of its content."""
        try:
            return self.inner.read(size)
        except _DAMAGED as error:
            raise Trouble("UnknownFormat", f"the {self.packing} archive is damaged: {error}") from error


def head(path: Path, packing: Packing, size: int) -> bytes:
    """What the content begins with."""
    with content(path, packing) as (_, archive):
        found = b""
        while len(found) < size and (more := archive.read(size - len(found))):
            found += more
        return found


def write(file: BinaryIO, data: bytes) -> None:
    """Write a piece; what is all zeros becomes a hole."""
    if data == NOTHING[: len(data)]:
        file.seek(len(data), os.SEEK_CUR)
    else:
        file.write(data)


async def unpack(source: Path, target: Path, packing: Packing, most: int, progress: Progress) -> None:
    """Write what an archive contains; give up as soon as it is more than `most` bytes, or than there is room for."""
    done, free = 0, room(target.parent)
    with content(source, packing) as (packed, archive), opened(target, append=False) as file:
        total = os.fstat(packed.fileno()).st_size
        while data := archive.read(CHUNK_BYTES):
            done += len(data)
            if done > min(most, free):
                reason = "TooLarge" if done > most else "NoSpace"
                raise Trouble(reason, f"the archive unpacks to more than {min(most, free)} bytes")
            write(file, data)
            progress("Unpacking", packed.tell(), total)
            # Lets the order to stop be heard.
            await asyncio.sleep(0)
        file.truncate(done)
