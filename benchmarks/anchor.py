"""What a machine takes on a real node besides its QEMU: its anchor, and what it adds to all others there."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bed import Bed, bed, pss
from benchmarks.figures import Figure, Report

MACHINES = 10
SETTLE = 10.0
GUEST = "qemu-system"


async def measure(report: Report, state: Path) -> None:
    """Compare a node with kubelet and containerd before and after ten machines, the guests themselves left out."""
    async with bed(state, "--nodes", "1", kubelet="Real") as there:
        await one(there)
        await asyncio.sleep(SETTLE)
        empty = total(there)
        names = [f"anchored{number}" for number in range(MACHINES)]
        async with there.watching() as seen:
            await asyncio.gather(*(there.create(name, powerState="Paused", readinessProbe=None) for name in names))
            await seen.all_in(names, "Paused")
        await asyncio.sleep(SETTLE)
        each = (total(there) - empty) / MACHINES
    note = "PSS of the node's processes but QEMU: shim, pause, sleep, growth of kubelet, containerd, agent, libvirtd"
    report.add(Figure("a machine on a real node, besides QEMU", each, "MiB", "<= 10", "41-102", MACHINES, note))


async def one(there: Bed) -> None:
    """Have a machine come and go: what is loaded for the first one is not counted."""
    async with there.watching() as seen:
        await there.create("first", powerState="Paused", readinessProbe=None)
        await seen.all_in(["first"], "Paused")
        await there.delete("first")
        await seen.all_in(["first"], "Gone")


def total(there: Bed) -> float:
    """Memory of the node's processes in MiB, without guests."""
    return sum(_taken(pid) for pid in below(there.pid("n1")))


def below(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        parent = _parent(folder)
        if parent is not None:
            children.setdefault(parent, []).append(int(folder.name))
    waiting = [pid]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += children.get(found, ())


def _parent(folder: Path) -> int | None:
    try:
        stat = (folder / "stat").read_text()
    except OSError:
        return None
    # The name, in brackets, may hold anything.
    return int(stat.rpartition(")")[2].split()[1])


def _taken(pid: int) -> float:
    try:
        return 0.0 if (Path("/proc") / str(pid) / "comm").read_text().startswith(GUEST) else pss(pid)
    except OSError:
        return 0.0
