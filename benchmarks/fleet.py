"""Five thousand machines on one control plane, the hypervisor faked: memory, and how fast a change shows."""

import asyncio
import time
from pathlib import Path
from statistics import median

from tests.support.fake_agent import FakeAgents

from benchmarks.bed import Bed, pss
from benchmarks.figures import Figure, Report
from benchmarks.scale import NODES, WHOLE, faked
from drover.api.kinds import DOMAIN
from drover.state.resource import Key

FLEET = 5000
AT_ONCE = 32
CHANGES = 30


async def measure(report: Report, state: Path) -> None:
    """Fill up to five thousand machines; it takes a quarter of an hour on two cores."""
    async with faked(state) as (there, fake):
        empty = pss(there.pid("controller"))
        report.add(Figure("controller without VMs, PSS", empty, "MiB", "<= 100"))
        await fleet(there, fake, report, empty)


async def fleet(there: Bed, fake: FakeAgents, report: Report, empty: float) -> None:
    """Measure memory and how fast one change shows among so many."""
    names = [f"fleet{number}" for number in range(FLEET)]
    turns = asyncio.Semaphore(AT_ONCE)
    spec = WHOLE | {"interfaces": [{"name": "lan", "network": "large"}]}

    async def create(name: str) -> None:
        async with turns:
            await there.create(name, **spec)

    async with there.watching() as seen:
        begun = time.monotonic()
        await asyncio.gather(*(create(name) for name in names))
        ended = max(await seen.all_in(names, "Running"))
        report.add(Figure(f"{FLEET} VMs with disk and NIC, hypervisor faked", FLEET / (ended - begun), "VM/s"))
        full = pss(there.pid("controller"))
        report.add(Figure(f"controller with {FLEET} VMs, PSS", full, "MiB", f"<= {100 + FLEET * 0.04:.0f}"))
        report.add(Figure("... for each VM", (full - empty) * 1024 / FLEET, "kB", "<= 40"))
    # Their agents would correct at once what is reported in their name.
    fake.deaf.update(NODES)
    took = await change(there, names)
    report.add(Figure("... a status change shows within, median", took, "s", "<= 1", "", CHANGES))


async def change(there: Bed, names: list[str]) -> float:
    """Have a node report another state of one machine; measure until its VirtualMachine says so."""
    took = []
    async with there.watching() as seen:
        for name in names[:: FLEET // CHANGES]:
            begun = time.monotonic()
            await report_paused(there, name)
            (told,) = await seen.all_in([name], "Paused")
            took.append(told - begun)
    return median(took)


async def report_paused(there: Bed, name: str) -> None:
    """Write what an agent writes when somebody suspends a guest."""
    key = Key(there.namespace, f"{name}-1")
    found = await there.cluster.get(DOMAIN, key)
    assert found is not None
    status = {**found["status"], "state": "Paused", "reason": "SuspendedOnHost"}
    await there.cluster.apply(DOMAIN, key, {"status": status}, manager="drover-agent", subresource="status")
