"""What the agent of one node takes with five hundred machines that are its own, on real libvirt."""

import asyncio
from pathlib import Path

from benchmarks.bed import Bed, bed, pss
from benchmarks.figures import Figure, Report
from drover.api.kinds import VIRTUALMACHINE
from drover.state.resource import Key

MACHINES = 500
BATCH = 25
"""Guests there at a time: each was started once and is then off, its Domain, volume, address and definition stay."""
SETTLE = 5.0


async def measure(report: Report, state: Path) -> None:
    """Measure agent and controller without machines, then with five hundred on one node."""
    async with bed(state, "--nodes", "1") as there:
        await asyncio.sleep(SETTLE)
        empty = {name: pss(there.pid(name)) for name in ("agent-n1", "controller")}
        for first in range(0, MACHINES, BATCH):
            await fill(there, [f"held{number}" for number in range(first, first + BATCH)])
        await asyncio.sleep(SETTLE)
        full = {name: pss(there.pid(name)) for name in empty}
    note = "each started once, then stopped"
    report.add(Figure(f"agent with {MACHINES} VMs, PSS", full["agent-n1"], "MiB", "<= 100", "", 1, note))
    report.add(Figure("... for each VM", slope(empty, full, "agent-n1"), "kB"))
    report.add(Figure(f"controller with {MACHINES} VMs, PSS", full["controller"], "MiB", "<= 120", "", 1, note))


def slope(empty: dict[str, float], full: dict[str, float], name: str) -> float:
    """What one machine adds to a process, in kB."""
    return (full[name] - empty[name]) * 1024 / MACHINES


async def fill(there: Bed, names: list[str]) -> None:
    """Create machines, start them paused, switch them off."""
    async with there.watching() as seen:
        for name in names:
            await there.create(name, powerState="Paused", readinessProbe=None, terminationGracePeriodSeconds=0)
        await seen.all_in(names, "Paused")
        for name in names:
            await switch_off(there, name)
        await seen.all_in(names, "Stopped")


async def switch_off(there: Bed, name: str) -> None:
    """Ask for power state Stopped, as a user would."""
    spec = {"spec": {"powerState": "Stopped"}}
    await there.cluster.apply(VIRTUALMACHINE, Key(there.namespace, name), spec, manager="drover-bench-user")
