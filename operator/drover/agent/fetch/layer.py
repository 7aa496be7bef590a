"""The disk in a layer of a container disk: one file below /disk, whatever else is there."""

import asyncio
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from drover.agent.fetch import unpack
from drover.agent.fetch.body import CHUNK_BYTES, opened
from drover.agent.fetch.order import Progress, Trouble
from drover.translation.diskimage import packing

FOLDER = "disk"
MEMBERS = 10_000
"""Files of a layer that are looked at."""


async def extract(source: Path, target: Path, most: int, progress: Progress) -> None:
    """Write the disk that is in a layer; names in it decide nothing but which file it is."""
    with _archive(source) as (packed, archive), _sound():
        member = await _find(archive, most)
        content = archive.extractfile(member)
        if member.size > most or content is None:
            raise Trouble("TooLarge", f"the disk in the layer has more than {most} bytes")
        total = os.fstat(packed.fileno()).st_size
        with opened(target, append=False) as file:
            while data := content.read(CHUNK_BYTES):
                unpack.write(file, data)
                progress("Unpacking", packed.tell(), total)
                await asyncio.sleep(0)
            file.truncate(member.size)


@contextmanager
def _archive(source: Path) -> Iterator[tuple[BinaryIO, tarfile.TarFile]]:
    """Open a layer: its file, and the archive in it."""
    with source.open("rb") as file:
        found = packing(file.read(8))
        file.seek(0)
        stream = unpack.reader(file, found) if found else file
        with _sound(), tarfile.open(fileobj=cast("BinaryIO", stream), mode="r|") as archive:
            yield file, archive


async def _find(archive: tarfile.TarFile, most: int) -> tarfile.TarInfo:
    """Find the disk; only so many other files, and so many bytes of them, may come before it."""
    passed = 0
    for number, member in enumerate(archive):
        parts = PurePosixPath(member.name.lstrip("/")).parts
        if member.isreg() and parts[:1] == (FOLDER,):
            return member
        passed += member.size
        if number > MEMBERS or passed > most:
            break
        await asyncio.sleep(0)
    raise Trouble("UnknownFormat", f"the layer holds no file below /{FOLDER}")


@contextmanager
def _sound() -> Iterator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise Trouble("UnknownFormat", f"the layer is damaged: {error}") from error
