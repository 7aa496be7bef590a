"""Other programs, run to their end without a shell."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from drover.errors import Unavailable

SHOWN = 2000


async def run(
    *command: str | Path,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    log: Path | None = None,
) -> str:
    """Run a program and return its output; a failure is ``Unavailable`` with the end of what it said.

    ``text`` is its input, ``environment`` comes on top of our own. With ``log`` its output goes there instead.
    """
    child = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE if text is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment} if environment else None,
        cwd=directory,
    )
    try:
        output, complaint = await child.communicate(text.encode() if text is not None else None)
    except asyncio.CancelledError:
        child.kill()
        raise
    if log is not None:
        log.write_bytes(output + complaint)
    if child.returncode:
        said = (complaint or output).decode(errors="replace").strip()[-SHOWN:]
        where = f"; read {log}" if log is not None else ""
        raise Unavailable(f"{Path(command[0]).name} failed with {child.returncode}{where}: {said}")
    return output.decode(errors="replace")
