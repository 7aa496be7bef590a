"""What a captured image is known by: its file's digest, read piece by piece so that the agent can end meanwhile."""

import asyncio
import hashlib
from pathlib import Path
from typing import BinaryIO

from drover.hypervisor.errors import host_trouble

PIECE = 16 << 20
"""Bytes that are read before anybody else gets a word in."""


async def digest(path: Path) -> str:
    """Give sha256:… of a file that nobody writes any more."""
    found = hashlib.sha256()
    with host_trouble("CaptureUnreadable"), path.open("rb") as file:
        while await asyncio.to_thread(_feed, file, found):
            pass
    return f"sha256:{found.hexdigest()}"


def _feed(file: BinaryIO, found: "hashlib._Hash") -> bool:
    piece = file.read(PIECE)
    found.update(piece)
    return bool(piece)
