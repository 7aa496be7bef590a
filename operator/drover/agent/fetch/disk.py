"""Making a disk of the cache from a downloaded file: checked, and qcow2 whatever it was."""

import asyncio
import ctypes
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drover.agent.fetch.order import Trouble
from drover.errors import InvalidSpec
from drover.translation import diskimage

INSPECT_SECONDS = 30.0
_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG."""
_LIBC = ctypes.CDLL(None, use_errno=True)


def head(path: Path) -> bytes:
    """The beginning of a file."""
    with path.open("rb") as file:
        return file.read(diskimage.HEAD_BYTES)


def recognise(path: Path) -> diskimage.Format:
    """Tell the format of a disk that is not yet trusted, and refuse what no guest may have."""
    beginning = head(path)
    try:
        found = diskimage.recognise(beginning)
        if found == "qcow2":
            diskimage.refuse(diskimage.read_qcow2(beginning))
    except InvalidSpec as error:
        raise Trouble(error.reason, str(error)) from error
    return found


async def inspect(path: Path) -> int:
    """Have QEMU look at a qcow2 file too; return the size that a guest sees."""
    words = ("info", "-f", "qcow2", "--output=json", "--", str(path))
    try:
        async with asyncio.timeout(INSPECT_SECONDS):
            told = json.loads(await _qemu_img(*words))
    except TimeoutError as error:
        raise Trouble("UnknownFormat", "qemu-img did not come to an end with the image") from error
    details = told.get("format-specific", {}).get("data", {})
    if "backing-filename" in told:
        raise Trouble("HasBackingFile", "the image has a backing file: it is only a part of a disk")
    if "data-file" in details:
        raise Trouble("HasDataFile", "the image keeps its data in another file")
    return int(told["virtual-size"])


async def convert(source: Path, target: Path) -> None:
    """Write a raw disk as qcow2; nothing is left of it when that fails."""
    with _whole_or_nothing(target):
        await _qemu_img("convert", "-f", "raw", "-O", "qcow2", "--", str(source), str(target))
        _settle(target)


@contextmanager
def _whole_or_nothing(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _settle(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(file)
    finally:
        os.close(file)


async def _qemu_img(*words: str) -> bytes:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        "qemu-img",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        preexec_fn=die_with_parent(),
    )
    try:
        output, complaint = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise _trouble(complaint.decode(errors="replace").strip())
    return output


def _trouble(complaint: str) -> Trouble:
    reason = "NoSpace" if "No space left" in complaint else "UnknownFormat"
    return Trouble(reason, complaint[:500])


def die_with_parent() -> Callable[[], None]:
    """A function that binds the calling process to its parent's life; made before the fork, which may not allocate."""
    prctl = _LIBC.prctl
    return lambda: prctl(_DIE_WITH_PARENT, int(signal.SIGKILL), 0, 0, 0)
