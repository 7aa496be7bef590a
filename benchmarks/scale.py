"""The control plane alone: the hypervisor is an honest fake, so what is measured is Drover and the API server."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tests.support.fake_agent import FakeAgents
from tests.system.world import make_object

from benchmarks.bed import Bed, bed, pss
from benchmarks.figures import Figure, Report, percentile
from drover.api.kinds import DOMAIN
from drover.kube.client import Cluster
from drover.state.resource import Key

BURST = 100
FLEET = 5000
AT_ONCE = 32
NODES = ("n1", "n2", "n3")
PODS = 2 * FLEET
PLAIN: dict[str, Any] = {"disk": None, "interfaces": [], "readinessProbe": None}
WHOLE: dict[str, Any] = {"readinessProbe": None}
CHANGES = 30


async def measure(report: Report, state: Path) -> None:
    """Bursts of a hundred, then a fleet of five thousand, with no libvirt at all."""
    async with bed(state, "--no-agents", "--nodes", "3") as there, agents(there):
        make_room(there)
        empty = pss(there.pid("controller"))
        report.add(Figure("controller without VMs, PSS", empty, "MiB", "<= 100"))
        await burst(there, report, "without disk and NIC", PLAIN, "p50 <= 3, p95 <= 4.5")
        await burst(there, report, "with disk and NIC", WHOLE, "reported")
        await fleet(there, report, empty)


@asynccontextmanager
async def agents(there: Bed) -> AsyncIterator[FakeAgents]:
    """Act for the nodes while the block runs."""
    stop = asyncio.Event()
    async with Cluster(there.endpoint, user_agent="fake-agent") as cluster:
        fake = FakeAgents(cluster, NODES)
        task = asyncio.create_task(fake.run(stop))
        try:
            yield fake
        finally:
            stop.set()
            await asyncio.wait({task})


def make_room(there: Bed) -> None:
    """Let the nodes take thousands, and the default network too."""
    room = {"cpu": "4000", "memory": "8Ti", "pods": str(PODS)}
    patch = json.dumps({"status": {"capacity": room, "allocatable": room}})
    for node in NODES:
        there.world.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", patch)
    subnet = {"name": "v4", "cidr": "10.32.0.0/16", "gateway": "10.32.0.1"}
    there.tenant.apply(make_object("VirtualNetwork", "large", {"type": "NAT", "subnets": [subnet]}))


async def burst(there: Bed, report: Report, what: str, spec: dict[str, Any], goal: str) -> None:
    """Create a hundred machines at once."""
    names = [f"burst{number}" for number in range(BURST)]
    async with there.watching() as seen:
        begun = time.monotonic()
        await asyncio.gather(*(there.create(name, **spec) for name in names))
        took = [at - begun for at in await seen.all_in(names, "Running")]
        await asyncio.gather(*(there.delete(name) for name in names))
        await seen.all_in(names, "Gone")
    for share, name in ((0.5, "p50"), (0.95, "p95")):
        figure = Figure(f"100 at once, hypervisor faked, {what}: {name}", percentile(took, share), "s", goal, "", BURST)
        report.add(figure)


async def fleet(there: Bed, report: Report, empty: float) -> None:
    """Fill up to five thousand machines; measure memory and how fast one change shows among so many."""
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
        report.add(
            Figure("... a status change shows within, median", await change(there, names), "s", "<= 1", "", CHANGES)
        )


async def change(there: Bed, names: list[str]) -> float:
    """Have a node report another state of one machine; measure until its VirtualMachine says so."""
    took = []
    for name in names[:: FLEET // CHANGES]:
        async with there.watching() as seen:
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
