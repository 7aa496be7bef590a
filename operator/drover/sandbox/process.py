"""Processes told apart beyond doubt: a pid alone may have been recycled, a pid with its start time may not.

Every process of a sandbox carries the sandbox's mark in its environment (``DROVER_SANDBOX_MARK``), so that leftovers
of a crashed sandbox are found even when no pid file tells of them.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = "DROVER_SANDBOX_MARK"
START_TIME_FIELD = 22 - 3  # of /proc/<pid>/stat, counted after the command, which may itself hold blanks


@dataclass(frozen=True, slots=True)
class Identity:
    """A process: its pid and its start time in clock ticks since boot."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Tell whether this very process still runs; a zombie does not."""
        return identify(self.pid) == self

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal unless the process is gone; tell whether it was sent."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        with _closing(handle):
            if not self.alive():
                return False
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
        return True

    async def ended(self) -> None:
        """Wait for the end of the process, whoever its parent is."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        with _closing(handle):
            if self.alive():
                await _readable(handle)


@contextlib.contextmanager
def _closing(handle: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(handle)


async def _readable(handle: int) -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_reader(handle, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(handle)


def identify(pid: int) -> Identity | None:
    """Return the identity of a running process, ``None`` if there is none of that pid."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else Identity(pid, int(fields[START_TIME_FIELD]))


def myself() -> Identity:
    """Return the identity of the calling process."""
    found = identify(os.getpid())
    assert found is not None, "a process that asks is alive"
    return found


def read(path: Path) -> Identity | None:
    """Return the live process that a pid file names, ``None`` if it has ended or the file is missing."""
    try:
        words = path.read_text().split()
    except FileNotFoundError:
        return None
    if len(words) < 2:
        return None
    named = Identity(int(words[0]), int(words[1]))
    return named if named.alive() else None


def write(path: Path, identity: Identity, *remarks: str) -> None:
    """Record a process in a pid file: pid, start time, remarks."""
    path.write_text(" ".join([str(identity.pid), str(identity.started), *remarks]) + "\n")


def children(pid: int) -> tuple[int, ...]:
    """Return the pids of a process's direct children."""
    try:
        return tuple(int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return ()


def pid_namespace(pid: int) -> str:
    """Return the name of the process's pid namespace, empty if the process is gone."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def marked(mark: str) -> tuple[Identity, ...]:
    """Return every process of this machine that carries the sandbox's mark."""
    wanted = f"{MARK}={mark}".encode()
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    found = (identify(pid) for pid in pids if wanted in _environment(pid))
    return tuple(identity for identity in found if identity is not None)


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
