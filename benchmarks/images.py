"""Images: fetching one beside what an administrator would type, and a disk of one that is there."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from benchmarks.bed import bed
from benchmarks.figures import Figure, Report, median
from drover.agent.download import Credentials, make_fetcher
from drover.agent.workers import Wanted
from drover.api.domain import Artifact
from drover.hypervisor.host import Host, HostOptions
from drover.runtime.settings import AgentSettings
from drover.sandbox import slot

SIZE = 100 << 20
ROUNDS, DISKS = 7, 50
ADDRESS, PORT = "127.0.0.1", 18791


async def measure(report: Report, state: Path) -> None:
    """Fetch in turns with the administrator; then make disks."""
    folder = state.with_name(f"{state.name}-images")
    folder.mkdir()
    try:
        await _fetches(report, folder)
        await _disks(report, folder, state)
    finally:
        shutil.rmtree(folder)


async def _fetches(report: Report, folder: Path) -> None:
    _make_disk(folder / "disk.raw")
    with _served(folder):
        ours, by_hand = [], []
        for _ in range(ROUNDS):
            by_hand.append(await asyncio.to_thread(_by_hand, folder))
            with TemporaryDirectory(dir=folder) as cache:
                ours.append(await _fetch(Path(cache)))
    report.add(Figure("100 MiB raw image fetched, verified, converted", median(ours), "s", samples=ROUNDS))
    ratio, hand = median(ours) / median(by_hand), median(by_hand)
    note = f"curl into tee into sha256sum, then qemu-img convert: {hand:.2f} s"
    report.add(Figure("... over the same by hand", ratio, "x", "<= 1.3", samples=ROUNDS, note=note))


def _make_disk(path: Path) -> None:
    """A raw disk full of what cannot be packed."""
    path.write_bytes(bytes(510) + b"\x55\xaa" + os.urandom(SIZE - 512))


@contextmanager
def _served(folder: Path) -> Iterator[None]:
    words = (sys.executable, "-m", "http.server", str(PORT), "--bind", ADDRESS, "--directory", str(folder))
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=quiet, stderr=quiet) as server:
        try:
            wait = (
                "curl",
                "-s",
                "-o",
                "/dev/null",
                "--retry",
                "20",
                "--retry-connrefused",
                f"http://{ADDRESS}:{PORT}/",
            )
            subprocess.run(wait, check=True)
            yield
        finally:
            server.terminate()


def _by_hand(folder: Path) -> float:
    """What an administrator would do, in as many processes."""
    body, made, pipe = folder / "hand.raw", folder / "hand.qcow2", subprocess.PIPE
    begun = time.perf_counter()
    with (
        subprocess.Popen(("curl", "-s", f"http://{ADDRESS}:{PORT}/disk.raw"), stdout=pipe) as curl,
        subprocess.Popen(("tee", body), stdin=curl.stdout, stdout=pipe) as tee,
    ):
        subprocess.run(("sha256sum",), stdin=tee.stdout, stdout=subprocess.DEVNULL, check=True)
    subprocess.run(("qemu-img", "convert", "-f", "raw", "-O", "qcow2", body, made), check=True)
    lasted = time.perf_counter() - begun
    for path in (body, made):
        path.unlink()
    return lasted


async def _fetch(cache: Path) -> float:
    fetch = make_fetcher(AgentSettings(node_name="bench", image_hosts=f"*,{ADDRESS}"), _nobody, _nowhere)
    wanted = Wanted("bench/disk", Artifact(url=f"http://{ADDRESS}:{PORT}/disk.raw"), disk=True)
    begun = time.perf_counter()
    await fetch(wanted, cache, lambda _stage, _percent: None)
    return time.perf_counter() - begun


async def _no_secret(*_names: object) -> dict[str, str]:
    return {}


_nobody: Credentials = _no_secret


async def _nowhere(*_names: str) -> None:
    """No image of the benchmark is a captured one."""


async def _disks(report: Report, folder: Path, state: Path) -> None:
    image, pool = folder / "image.qcow2", folder / "pool"
    words = ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", folder / "disk.raw", image)
    await asyncio.to_thread(subprocess.run, words, check=True)
    async with bed(state, "--nodes", "1"):
        layout = slot.find(state)
        assert layout is not None, "the sandbox is not there"
        options = HostOptions(layout.node(1).libvirt_uri, folder / "host", "bench", 1)
        async with Host(options) as host:
            await host.wait_connected()
            await host.ensure_pool("bench-images", str(pool))
            lasted = [await _disk(host, image) for _ in range(DISKS)]
            await host.remove_pool("bench-images")
    report.add(
        Figure("disk of an image that is there, ready, median", median(lasted) * 1000, "ms", "<= 50", samples=DISKS)
    )
    report.add(Figure("... the slowest", max(lasted) * 1000, "ms", samples=DISKS))


async def _disk(host: Host, image: Path) -> float:
    begun = time.perf_counter()
    await host.create_volume("bench-images", str(uuid4()), 1 << 30, image)
    return time.perf_counter() - begun
