"""Child processes for long data work: started, listened to, and ended with the agent.

A child tells how it gets on in JSON, one object a line; the last line is its result. When the agent dies, so does it.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drover.agent.fetch.order import Kind, Result, Stage
from drover.api.domain import Artifact
from drover.state.resource import Key

Identity = tuple[str, str, Kind, str]
"""What a file is, where it comes from, and whose it is."""
LINE_LIMIT = 64 * 1024
KILL_SECONDS = 3.0
"""How long a child that was asked to end may take."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that a machine needs."""

    image: str
    """namespace/name of the VirtualMachineImage."""
    artifact: Artifact
    disk: bool
    """A disk is kept as qcow2; a kernel and an ISO as they are."""

    domain: Key | None = None
    """A Domain that needs it."""

    @property
    def kind(self) -> Kind:
        """What is done with the file."""
        if self.artifact.type is not None:
            return self.artifact.type
        return "Disk" if self.disk else "File"

    @property
    def owner(self) -> str:
        """The image that alone is given the file, because it takes a Secret to fetch it; empty: it is anybody's."""
        return self.image if self.artifact.secret else ""

    @property
    def identity(self) -> Identity:
        """What tells one fetch from another."""
        return (self.artifact.url, self.artifact.checksum or "", self.kind, self.owner)


Told = Callable[[Stage, int | None], None]
"""Told how far a fetch is: its stage, and how much of that is done in percent, if that is known."""
Fetcher = Callable[[Wanted, Path, Told], Awaitable[Result]]
"""Fetches a file into a folder; raises `Retryable` with the reason when it cannot."""


async def run_child(words: Sequence[str], order: bytes, told: Callable[[dict[str, Any]], None]) -> int:
    """Run ``drover worker …`` to its end, handing on each thing that it tells; give its exit code.

    It is given its order on its standard input. A child whose caller is cancelled is ended first.
    """
    async with _child(words) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(ConnectionError):
            child.stdin.write(order)
            await child.stdin.drain()
        child.stdin.close()
        async for line in child.stdout:
            with suppress(ValueError):
                told(json.loads(line))
        return await child.wait()


@asynccontextmanager
async def _child(words: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    command = (sys.executable, "-m", "drover", "worker", *words)
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=LINE_LIMIT)
    try:
        yield child
    finally:
        await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(KILL_SECONDS):
            await child.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
