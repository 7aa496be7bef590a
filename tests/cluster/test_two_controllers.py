"""Two controllers that both believe they lead: names are locks, so nothing is ever made twice."""

import asyncio
import signal
from collections import Counter

import pytest
from tests.cluster.stage import Stage, staged
from tests.support import accounts
from tests.system.world import World

from drover.api import kinds
from drover.state.resource import Key

MANY = 40
OTHER = "drover-other"
PATIENT = {"DROVER_NODE_LEASE_STALE_SECONDS": "100000"}
"""The second one looks for its Leases in another namespace: it never hears from a node."""


async def _both(stage: Stage) -> None:
    await stage.cluster.apply(kinds.NAMESPACE, Key("", OTHER), {}, manager="test")
    await asyncio.to_thread(accounts.allow_all, stage.world, accounts.CONTROLLER, OTHER)
    await stage.start(**PATIENT)
    await stage.start(**PATIENT, DROVER_NAMESPACE=OTHER)


async def _phases(stage: Stage) -> Counter[str]:
    found = await stage.all(kinds.VIRTUALMACHINE)
    return Counter(each.get("status", {}).get("phase", "") for each in found)


async def test_two_leaders_never_make_two_domains_or_give_an_address_twice(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox) as stage:
        await _both(stage)
        await asyncio.gather(*(stage.make(f"vm-{number}", memory={"size": "64Mi"}) for number in range(MANY)))
        await stage.until("all to run", lambda: _all_running(stage), 240.0)
        domains = Counter(each["spec"]["uuid"] for each in await stage.all(kinds.DOMAIN))
        addresses = Counter(each["spec"]["virtualMachine"]["uid"] for each in await stage.addresses())
        assert (set(domains.values()), len(domains), stage.agents.doubles) == ({1}, MANY, [])
        assert (set(addresses.values()), len(addresses)) == ({1}, MANY)


async def _all_running(stage: Stage) -> bool:
    return (await _phases(stage))["Running"] == MANY


@pytest.mark.long
async def test_a_controller_that_is_killed_again_and_again_loses_nothing(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox) as stage:
        making = asyncio.gather(*(_make_slowly(stage, number) for number in range(40)))
        for _ in range(3):
            await stage.start(DROVER_LEASE_SECONDS="3")
            await asyncio.sleep(0.7)
            await stage.stop(signal.SIGKILL)
        await making
        await stage.start()
        for number in range(40):
            await stage.reach("Running", f"vm-{number}", 60.0)
        assert (len(await stage.addresses()), stage.agents.doubles) == (40, [])


async def _make_slowly(stage: Stage, number: int) -> None:
    await asyncio.sleep(number * 0.1)
    await stage.make(f"vm-{number}", disks=[{"name": "root", "size": "1Gi"}])
