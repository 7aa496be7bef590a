import asyncio
from dataclasses import dataclass

import pytest
from tests.unit.kube.server import Api, connected, until

from drover.api.kinds import LEASE
from drover.kube.client import Cluster
from drover.kube.lease import Elector, Heartbeat, Terms
from drover.state.resource import Key

KEY = Key("drover-system", "leader")
PATH = LEASE.path("drover-system", "leader")


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def elector(cluster: Cluster, holder: str, clock: Clock | None = None) -> Elector:
    return Elector(cluster, KEY, holder, terms=Terms(lease=15, renew=0.2, retry=0.01), monotonic=clock or Clock())


async def test_the_first_candidate_creates_the_lease() -> None:
    api = Api()
    async with connected(api) as cluster:
        assert await elector(cluster, "a").try_acquire()

    spec = api.objects[PATH]["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"], spec["leaseDurationSeconds"]) == ("a", 0, 15)


async def test_a_renewed_lease_is_not_taken_however_old_it_was_at_first_sight() -> None:
    clock = Clock()
    async with connected(Api()) as cluster:
        first, second = elector(cluster, "a"), elector(cluster, "b", clock)
        for _ in range(3):
            await first.try_acquire()
            assert not await second.try_acquire()
            clock.now += 14


async def test_a_lease_that_nobody_renews_is_taken_after_its_time() -> None:
    api, clock = Api(), Clock()
    async with connected(api) as cluster:
        await elector(cluster, "a").try_acquire()
        second = elector(cluster, "b", clock)
        assert not await second.try_acquire()
        clock.now += 15
        assert await second.try_acquire()

    assert api.objects[PATH]["spec"]["leaseTransitions"] == 1


async def test_a_released_lease_is_taken_at_once() -> None:
    async with connected(Api()) as cluster:
        first = elector(cluster, "a")
        await first.try_acquire()
        await first.release()

        assert await elector(cluster, "b").try_acquire()


async def test_somebody_else_s_lease_is_not_released() -> None:
    api = Api()
    async with connected(api) as cluster:
        await elector(cluster, "a").try_acquire()
        await elector(cluster, "b").release()

    assert api.objects[PATH]["spec"]["holderIdentity"] == "a"


async def test_holding_ends_when_another_holds_the_lease() -> None:
    api = Api()
    async with connected(api) as cluster:
        first = Elector(cluster, KEY, "a", terms=Terms(15, 0.2, 0.01))
        await first.acquire()
        api.objects[PATH]["spec"]["holderIdentity"] = "b"

        await asyncio.wait_for(first.hold(), 5)


async def test_holding_outlives_a_short_trouble() -> None:
    api = Api()
    async with connected(api) as cluster:
        first = Elector(cluster, KEY, "a", terms=Terms(15, 5, 0.01))
        await first.acquire()
        api.refuse(503)
        holding = asyncio.create_task(first.hold())
        await until(lambda: sum(method == "PUT" for method, *_ in api.requests) == 2)
        assert not holding.done()
        holding.cancel()


async def test_a_heartbeat_creates_and_renews_its_lease() -> None:
    api, stop = Api(), asyncio.Event()
    async with connected(api) as cluster:
        beat = Heartbeat(cluster, KEY, "n1", every=0.01)
        running = asyncio.create_task(beat.run(stop))
        await until(lambda: len(api.requests) == 3)
        stop.set()
        await running

    assert api.objects[PATH]["spec"]["holderIdentity"] == "n1"
    assert beat.renewed_at is not None


async def test_a_heartbeat_that_fails_says_so_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    api, stop = Api(), asyncio.Event()
    api.refuse(503, "", "not now")
    async with connected(api) as cluster:
        beat = Heartbeat(cluster, KEY, "n1", every=0.01)
        running = asyncio.create_task(beat.run(stop))
        await until(lambda: beat.renewed_at is not None)
        stop.set()
        await running

    assert "heartbeat drover-system/leader: not now" in caplog.text
