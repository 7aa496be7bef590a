"""From nothing to the first answer by HTTP: a machine of ours beside QEMU started by hand, in turns."""

import asyncio
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import aiohttp

from benchmarks.bed import Bed, bed
from benchmarks.figures import Figure, Report, median
from drover.api.kinds import VIRTUALMACHINE
from drover.sandbox.command import run
from drover.sandbox.guestimage import ARGUMENTS, NAME
from drover.state.resource import Key

ROUNDS = 9
PORT = 18792
QUIET = asyncio.subprocess.DEVNULL
LOOK_SECONDS = 0.02
ANSWER = aiohttp.ClientTimeout(total=0.3)
"""A connection that was made before the guest listens gets no answer: ask anew."""


async def measure(report: Report, state: Path) -> None:
    """Boot in turns on a sandbox of one node; the first of each only warms the caches."""
    async with bed(state, "--nodes", "1") as there, aiohttp.ClientSession(timeout=ANSWER) as client:
        ours, by_hand = [], []
        for number in range(ROUNDS + 1):
            by_hand.append(await _by_hand(client, there.world.state / "images" / NAME))
            ours.append(await _ours(client, there, f"boot{number}"))
    ours, by_hand = ours[1:], by_hand[1:]
    hand = f"QEMU by hand: {median(by_hand):.2f} s"
    report.add(
        Figure("kernel image: create to first HTTP answer, median", median(ours), "s", samples=ROUNDS, note=hand)
    )
    report.add(Figure("... more than QEMU by hand", median(ours) - median(by_hand), "s", "<= 0.5", samples=ROUNDS))


async def _ours(client: aiohttp.ClientSession, there: Bed, name: str) -> float:
    async with there.watching() as seen:
        begun = await there.create(name, readinessProbe=None, terminationGracePeriodSeconds=0)
        lasted = await _answers(client, await _address(there, name), 80) - begun
        await there.delete(name)
        await seen.all_in([name], "Gone")
    return lasted


async def _address(there: Bed, name: str) -> str:
    while True:
        found = await there.cluster.get(VIRTUALMACHINE, Key(there.namespace, name))
        addresses = (found or {}).get("status", {}).get("addresses") or [{}]
        if addresses[0].get("ip"):
            return str(addresses[0]["ip"])
        await asyncio.sleep(LOOK_SECONDS)


async def _by_hand(client: aiohttp.ClientSession, image: Path) -> float:
    """The same guest with a disk and a network of QEMU's own."""
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder) / "disk.qcow2"
        begun = time.monotonic()
        await run("qemu-img", "create", "-q", "-f", "qcow2", str(disk), "64M")
        guest = await asyncio.create_subprocess_exec(*_words(image, disk), stdin=QUIET, stdout=QUIET)
        try:
            return await _answers(client, "127.0.0.1", PORT) - begun
        finally:
            guest.kill()
            await guest.wait()


def _words(image: Path, disk: Path) -> tuple[str | Path, ...]:
    machine = ("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "96", "-nographic")
    boot = ("-kernel", image / "vmlinuz", "-initrd", image / "initrd.img", "-append", ARGUMENTS)
    devices = ("-drive", f"file={disk},if=virtio", "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci")
    network = ("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{PORT}-:80")
    return (*machine, *boot, *devices, *network)


async def _answers(client: aiohttp.ClientSession, host: str, port: int) -> float:
    """Ask until there is an answer; give the time of it."""
    while True:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with client.get(f"http://{host}:{port}/") as answer:
                await answer.read()
                return time.monotonic()
        await asyncio.sleep(LOOK_SECONDS)
