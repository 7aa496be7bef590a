"""Addresses: how fast twenty writers of one controller are given them, beside bare creates of the same objects."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.support import accounts
from tests.support.writers import allocate, clear, make_owner, make_window, make_writer

from benchmarks.bed import bed
from benchmarks.figures import Figure, Report
from drover.api.kinds import ADDRESS
from drover.kube.client import Cluster
from drover.planning import address, names
from drover.planning.address import Claim

COUNT, WRITERS = 1000, 20
NETWORK = "bench"
ROOM = make_window("10.61.0.0/16", "10.61.0.1")
ROUNDS = 3


async def measure(report: Report, state: Path) -> None:
    """Allocate and create in turns; the better round of each counts."""
    async with bed(state, "--nodes", "0") as found:
        # Nobody else may make allocations.
        endpoint = accounts.endpoint(found.world, accounts.CONTROLLER)
        async with Cluster(endpoint, user_agent="drover-bench", limit=WRITERS) as cluster:
            bare, ours = 0.0, 0.0
            for _ in range(ROUNDS):
                bare = max(bare, await _rate(cluster, _creates(cluster)))
                ours = max(ours, await _rate(cluster, _allocations(cluster)))
    report.add(Figure("addresses given out, 20 writers, /16", ours, "1/s", samples=COUNT))
    report.add(
        Figure("the same over bare creates", ours / bare, "x", "≥ 0.7", samples=ROUNDS, note=f"bare {bare:.0f} 1/s")
    )


async def _rate(cluster: Cluster, write: Callable[[int], Awaitable[object]]) -> float:
    numbers = iter(range(COUNT))

    async def work() -> None:
        for number in numbers:
            await write(number)

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(WRITERS)))
    rate = COUNT / (time.perf_counter() - begun)
    taken = [each["spec"]["address"] for each in (await cluster.list(ADDRESS)).items]
    assert len(taken) == len(set(taken)) == COUNT, "an address was given out twice, or not at all"
    await clear(cluster, NETWORK)
    return rate


def _creates(cluster: Cluster) -> Callable[[int], Awaitable[object]]:
    async def create(number: int) -> None:
        owner = make_owner(number)
        claim = Claim("lan", NETWORK, "", names.mac(owner.uid, "lan"))
        text = address.text(ROOM[0].first + 2 + number)
        await cluster.create(ADDRESS, address.body(claim, text, owner))

    return create


def _allocations(cluster: Cluster) -> Callable[[int], Awaitable[object]]:
    world = make_writer(cluster)

    async def allocated(number: int) -> None:
        await allocate(world, NETWORK, number, ROOM)

    return allocated
