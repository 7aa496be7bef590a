"""Sealing: what makes a guest one of its kind is taken out of a copy of its disk by virt-sysprep.

That reads what a tenant wrote, in a small guest of its own (libguestfs' appliance), and is written in C: so it is a
child process with bounds on time, memory and files, and what it says is cut short before anybody repeats it.
"""

import asyncio
import os
import resource
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from drover.agent.fetch.disk import die_with_parent
from drover.agent.fetch.room import room
from drover.errors import NotReady, Retryable

PROGRAM = "virt-sysprep"
LACKING = (
    "the agent finds no virt-sysprep: install the package guestfs-tools on the node or, where the agent runs in a "
    "container, in its image; or let seal be Disabled and clean the guest yourself"
)
UNSUPPORTED_SECONDS = 30.0
"""How soon to look again whether the program was installed: nobody tells."""
FAILED_SECONDS = 600.0
"""How soon to seal another copy: the origin may have been changed meanwhile."""
OPERATIONS = ("dhcp-client-state", "logfiles", "machine-id", "ssh-hostkeys", "udev-persistent-net")
"""What virt-sysprep does. None of it runs a program of the guest."""
DELETED = (
    "/var/lib/cloud/*",
    "/var/log/cloud-init*.log",
    "/var/lib/dbus/machine-id",
    "/var/lib/NetworkManager/*.lease",
    "/var/lib/systemd/random-seed",
)
"""What else there is by which a guest is known, or by which cloud-init knows that it was here; see `commands`."""
SECONDS = 1800.0
"""How long it may take: an emulated appliance takes minutes."""
APPLIANCE_MIB = 512
APPLIANCE_BYTES = 1 << 30
"""Room that the appliance takes on the node's disk, once for all images."""
ADDRESS_SPACE_BYTES = 4 << 30
LEAST_FILE_BYTES = 8 << 30
"""How large a file may become at least: that of the appliance is 4 GiB, most of it holes."""
SLACK_BYTES, SLACK_PART = 64 << 20, 8
"""What a disk file may be larger than its disk: tables and headers."""
NICENESS = 10
PIECE_BYTES, TAIL_BYTES, WORDS = 64 << 10, 16 << 10, 300
KEPT = ("LIBGUESTFS_", "SUPERMIN_")
"""Variables of the agent's own environment by which operators say where appliance and kernel are."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """One copy to be sealed."""

    disk: Path
    """A qcow2 file."""
    capacity_bytes: int
    folder: Path
    """The agent's, for the appliance and what is needed on the way."""
    kvm: bool
    """Whether KVM works: libguestfs tries where there is a device, and ends when that does not work."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals one copy after the other: each takes a core and the memory of a guest."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    seconds: float = SECONDS

    async def seal(self, order: Sealing) -> None:
        """Seal a copy; whatever it raises, the copy is good for nothing then."""
        check()
        async with self.turn:
            scratch = await asyncio.to_thread(_clear, order.folder)
            try:
                code, output = await self._run(order)
            except TimeoutError as error:
                words = f"virt-sysprep did not come to an end within {self.seconds:.0f} s"
                raise Retryable(words, reason="SealFailed", delay=FAILED_SECONDS) from error
            finally:
                await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        if code:
            raise Retryable(f"virt-sysprep: {complaint(output, code)}", reason="SealFailed", delay=FAILED_SECONDS)

    async def _run(self, order: Sealing) -> tuple[int, bytes]:
        async with asyncio.timeout(self.seconds):
            for words in commands(order.disk):
                code, output = await _child(words, environment(order), order.capacity_bytes)
                if code:
                    break
        return code, output


def check() -> None:
    """Object when the agent cannot seal anything."""
    if shutil.which(PROGRAM) is None:
        raise NotReady(LACKING, reason="SealUnsupported", delay=UNSUPPORTED_SECONDS)


def commands(disk: Path) -> Sequence[Sequence[str]]:
    """The commands that seal a disk one after the other, without a network and by operations that are known beforehand.

    What deletes files of our choice also fills an empty machine-id, with one that all copies of the image would share.
    So it comes first, and what empties that last.
    """
    deletions = [word for path in DELETED for word in ("--delete", path)]
    return _command(disk, "customize", *deletions), _command(disk, ",".join(OPERATIONS))


def _command(disk: Path, operations: str, *more: str) -> Sequence[str]:
    known = (PROGRAM, "--quiet", "--no-network", "--operations", operations, *more)
    return (*known, "--format", "qcow2", "--add", str(disk))


def environment(order: Sealing) -> Mapping[str, str]:
    """All that the command knows of the agent's environment."""
    inherited = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith(KEPT)}
    own = {
        "LIBGUESTFS_BACKEND": "direct",
        "LIBGUESTFS_CACHEDIR": str(order.folder / "appliance"),
        "LIBGUESTFS_MEMSIZE": str(APPLIANCE_MIB),
        "HOME": str(order.folder),
        "TMPDIR": str(order.folder / "scratch"),
        "LC_ALL": "C.UTF-8",
    }
    return inherited | own | ({} if order.kvm else {"LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"})


def complaint(output: bytes, code: int) -> str:
    """What a command said last, in words that can be shown."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(f"{PROGRAM}: error:")]
    said = (errors or lines or [f"it ended with {code}"])[-1].removeprefix(f"{PROGRAM}: error:").strip()
    return "".join(each if each.isprintable() else "?" for each in said)[:WORDS]


def _clear(folder: Path) -> Path:
    """Make room for what is needed on the way; what an agent that died had there goes."""
    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    for each in (folder, folder / "appliance", scratch):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    if room(folder) < APPLIANCE_BYTES:
        raise Retryable("the node has no room for the appliance of virt-sysprep", reason="NoSpace")
    return scratch


async def _child(words: Sequence[str], variables: Mapping[str, str], capacity_bytes: int) -> tuple[int, bytes]:
    child = await _spawned(words, variables)
    whole = False
    try:
        _confine(child.pid, max(LEAST_FILE_BYTES, capacity_bytes + capacity_bytes // SLACK_PART + SLACK_BYTES))
        assert child.stdout is not None
        output = await _tail(child.stdout)
        code = await child.wait()
        whole = True
    finally:
        if not whole:
            await _end(child)
    return code, output


async def _spawned(words: Sequence[str], variables: Mapping[str, str]) -> asyncio.subprocess.Process:
    spawning = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *words,
            env=dict(variables),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=die_with_parent(),
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(spawning)
    except asyncio.CancelledError:
        # asyncio waits forever when it is interrupted between the start of a process and the connection of its pipes.
        await _end(await spawning)
        raise


async def _end(child: asyncio.subprocess.Process) -> None:
    """End a process and all of its group: QEMU is a child of its own, and would go on writing."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()


def _confine(pid: int, file_bytes: int) -> None:
    """Bound what a process and those it starts may take."""
    bounds = {resource.RLIMIT_AS: ADDRESS_SPACE_BYTES, resource.RLIMIT_FSIZE: file_bytes, resource.RLIMIT_CORE: 0}
    with suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
        for which, most in bounds.items():
            resource.prlimit(pid, which, (most, most))


async def _tail(stream: asyncio.StreamReader) -> bytes:
    """Read to the end, and keep no more than the last of it."""
    kept = b""
    while data := await stream.read(PIECE_BYTES):
        kept = (kept + data)[-TAIL_BYTES:]
    return kept
