"""The control plane alone: the hypervisor is an honest fake, so what is measured is Drover and the API server."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support import accounts
from tests.support.fake_agent import FakeAgents
from tests.system.world import make_object

from benchmarks.bed import Bed, bed
from benchmarks.figures import Figure, Report, percentile

BURST = 100
NODES = ("n1", "n2", "n3")
PODS = 10000
PLAIN: dict[str, Any] = {"disk": None, "interfaces": [], "readinessProbe": None}
WHOLE: dict[str, Any] = {"readinessProbe": None}


async def measure(report: Report, state: Path) -> None:
    """Bursts of a hundred, with no libvirt at all."""
    async with faked(state) as (there, _):
        await burst(there, report, "without disk and NIC", PLAIN, "p50 <= 3, p95 <= 4.5")
        await burst(there, report, "with disk and NIC", WHOLE, "reported")


@asynccontextmanager
async def faked(state: Path) -> AsyncIterator[tuple[Bed, FakeAgents]]:
    """Bring up three nodes with room for thousands, whose agents are ours."""
    async with bed(state, "--no-agents", "--nodes", "3") as there, agents(there) as fake:
        make_room(there)
        yield there, fake


@asynccontextmanager
async def agents(there: Bed) -> AsyncIterator[FakeAgents]:
    """Act for the nodes while the block runs."""
    stop = asyncio.Event()
    async with accounts.agents(there.world, NODES) as clients:
        fake = FakeAgents(clients[NODES[0]], NODES, clients=clients)
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
    # Names of its own: the kubelet's stand-in deletes by name what is left of a machine that had it before.
    names = [f"{what.split(maxsplit=1)[0]}{number}" for number in range(BURST)]
    async with there.watching() as seen:
        begun = time.monotonic()
        await asyncio.gather(*(there.create(name, **spec) for name in names))
        took = [at - begun for at in await seen.all_in(names, "Running")]
        await asyncio.gather(*(there.delete(name) for name in names))
        await seen.all_in(names, "Gone")
    for share, name in ((0.5, "p50"), (0.95, "p95")):
        figure = Figure(f"100 at once, hypervisor faked, {what}: {name}", percentile(took, share), "s", goal, "", BURST)
        report.add(figure)
