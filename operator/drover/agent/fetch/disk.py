"""Making a disk of the cache from a downloaded file: unpacked, checked, and qcow2 whatever it was."""

import asyncio
import ctypes
import json
import re
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from drover.agent.fetch import unpack
from drover.agent.fetch.order import Progress, Trouble
from drover.agent.fetch.room import room
from drover.errors import InvalidSpec
from drover.translation import diskimage

INSPECT_SECONDS = 30.0
SLACK_BYTES, SLACK_PART = 64 << 20, 8
"""What a disk file may be larger than its disk: tables and headers."""
COMPLAINT_BYTES = 64 << 10
_PERCENT = re.compile(rb"\((\d+)\.\d+/100%\)")
_COMPLAINTS = ("No space left", "File too large")
"""How QEMU says that there is no room: on the disk, or in what may be taken of it."""
_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG."""
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Look:
    """What a disk that is not yet trusted turned out to be."""

    packing: diskimage.Packing | None
    format: diskimage.Format
    declared: int | None
    """Bytes that a guest sees, as far as the header says."""

    def most(self, maximum: int) -> int:
        """Bytes that the unpacked file may have."""
        if self.declared is None:
            return maximum
        return min(maximum, self.declared + self.declared // SLACK_PART + SLACK_BYTES)


def head(path: Path) -> bytes:
    """The beginning of a file."""
    with path.open("rb") as file:
        return file.read(diskimage.HEAD_BYTES)


def recognise(path: Path) -> Look:
    """Tell what a file is that is not yet trusted, and refuse what no guest may have; archives by what is in them."""
    with understood():
        packing, beginning = plain_head(path)
        found = diskimage.recognise(beginning)
        return Look(packing, found, diskimage.check(found, beginning))


def plain_head(path: Path) -> tuple[diskimage.Packing | None, bytes]:
    """By what a file is packed, and the beginning of what it contains."""
    beginning = head(path)
    packing = diskimage.packing(beginning)
    return packing, unpack.head(path, packing, diskimage.HEAD_BYTES) if packing else beginning


@contextmanager
def understood() -> Iterator[None]:
    """Tell what is wrong with an image as the trouble of a fetch."""
    try:
        yield
    except InvalidSpec as error:
        raise Trouble(error.reason, str(error)) from error


async def inspect(path: Path, form: diskimage.Format = "qcow2") -> int:
    """Have QEMU look at a disk file too; return the size that a guest sees."""
    words = ("info", "-f", form, "--output=json", "--", str(path))
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


async def convert(source: Path, form: diskimage.Format, target: Path, progress: Progress) -> None:
    """Write a disk as qcow2, within the room there is; nothing is left of it when that fails."""

    def told(output: bytes) -> None:
        if found := _PERCENT.findall(output):
            progress("Converting", int(found[-1]), 100)

    with _whole_or_nothing(target):
        words = ("convert", "-p", "-f", form, "-O", "qcow2", "--", str(source), str(target))
        await _qemu_img(*words, told=told, most=room(target.parent))


@contextmanager
def _whole_or_nothing(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _qemu_img(*words: str, told: Callable[[bytes], None] | None = None, most: int | None = None) -> bytes:
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
        if most is not None:
            with suppress(ProcessLookupError):
                resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (most, most))
        assert child.stdout is not None
        assert child.stderr is not None
        output, complaint = await asyncio.gather(_read(child.stdout, told), _read(child.stderr, None))
        await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise _trouble(complaint.decode(errors="replace").strip())
    return output


async def _read(stream: asyncio.StreamReader, told: Callable[[bytes], None] | None) -> bytes:
    """Read to the end, and keep the beginning unless somebody listens."""
    kept = b""
    while data := await stream.read(COMPLAINT_BYTES):
        if told is not None:
            told(data)
        else:
            kept += data[: COMPLAINT_BYTES - len(kept)]
    return kept


def _trouble(complaint: str) -> Trouble:
    full = any(words in complaint for words in _COMPLAINTS)
    return Trouble("NoSpace" if full else "UnknownFormat", complaint[:500])


def die_with_parent() -> Callable[[], None]:
    """A function that binds the calling process to its parent's life; made before the fork, which may not allocate."""
    prctl = _LIBC.prctl
    return lambda: prctl(_DIE_WITH_PARENT, int(signal.SIGKILL), 0, 0, 0)
