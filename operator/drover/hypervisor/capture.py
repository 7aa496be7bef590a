"""Files of captured images: copies that get their names late, and what they are known by."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from drover.hypervisor import volume
from drover.hypervisor.connection import Connection
from drover.hypervisor.errors import host_trouble
from drover.state.host import VolumeFile

PIECE = 16 << 20
"""Bytes that are read before anybody else gets a word in."""


@dataclass(frozen=True, slots=True)
class Captures:
    """Copies that are worked on before they get their names, by small verbs, as `host` has them for the rest."""

    libvirt: Connection
    copies: asyncio.Semaphore

    async def begin(self, pool: str, uid: str, origin: tuple[str, str]) -> VolumeFile:
        """Copy the volume of `origin`, a pool and uid, to a file that nobody takes for an image, anew if it is there.

        Raises `NotReady` with reason SourceInUse while a guest has the origin open. Takes as long as copying takes.
        """
        async with self.copies:
            return await self.libvirt.call(volume.begin_copy, pool, uid, 0, origin)

    async def finish(self, pool: str, uid: str) -> VolumeFile:
        """Give the copy its name, unless there is a file of that name: then it is that."""
        return await self.libvirt.call(volume.finish_copy, pool, uid)

    async def drop(self, pool: str, uid: str) -> None:
        """Delete a copy that was begun; done if there is none."""
        await self.libvirt.call(volume.drop_copy, pool, uid)


async def digest(path: Path) -> str:
    """Give sha256:… of a file that nobody writes any more, piece by piece so that the agent can end meanwhile."""
    found = hashlib.sha256()
    with host_trouble("CaptureUnreadable"):
        # Not even opened by the event loop: a server that does not answer would have it wait for ever.
        file = await asyncio.to_thread(path.open, "rb")
        try:
            while await asyncio.to_thread(_feed, file, found):
                pass
        finally:
            await asyncio.to_thread(file.close)
    return f"sha256:{found.hexdigest()}"


def _feed(file: BinaryIO, found: "hashlib._Hash") -> bool:
    piece = file.read(PIECE)
    found.update(piece)
    return bool(piece)
