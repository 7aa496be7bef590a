"""Whatever happens in whichever order: never two Domains for a machine, and in the end it is as its spec says."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.controllers.cosmos import Cosmos

from drover.api import kinds

DISK = [{"name": "root", "size": "1Gi"}]
Step = Callable[[Cosmos, int], Awaitable[None]]


async def _create(cosmos: Cosmos, number: int) -> None:
    await cosmos.create(disks=DISK if number % 2 else [], interfaces=None if number % 3 else [])


async def _power(cosmos: Cosmos, number: int) -> None:
    cosmos.change(powerState=("Running", "Paused", "Hibernated", "Stopped")[number % 4])


async def _ask(cosmos: Cosmos, number: int) -> None:
    cosmos.annotate(("restartedAt", "startedAt")[number % 2])


async def _delete(cosmos: Cosmos, _number: int) -> None:
    cosmos.delete()


async def _evict(cosmos: Cosmos, _number: int) -> None:
    cosmos.delete(kinds.POD)


async def _fail(cosmos: Cosmos, _number: int) -> None:
    cosmos.fail()


async def _forsake(cosmos: Cosmos, _number: int) -> None:
    cosmos.delete(kinds.DOMAIN)


async def _shut_down(cosmos: Cosmos, _number: int) -> None:
    for uid in cosmos.uids:
        cosmos.agents.shut_down(uid)


async def _schedule(cosmos: Cosmos, _number: int) -> None:
    cosmos.schedule()


async def _act(cosmos: Cosmos, _number: int) -> None:
    await cosmos.act()


async def _collect(cosmos: Cosmos, _number: int) -> None:
    cosmos.etcd.collect()


async def _hear(cosmos: Cosmos, number: int) -> None:
    cosmos.controllers[number % 2].caches.hear(number)


async def _one(cosmos: Cosmos, number: int) -> None:
    await cosmos.run(number % 2, 1 + number % 3, life=10_000)


async def _crash(cosmos: Cosmos, number: int) -> None:
    await cosmos.run(number % 2, 2, life=1 + number)


async def _both(cosmos: Cosmos, number: int) -> None:
    await asyncio.gather(cosmos.run(0, 2, life=10_000), cosmos.run(1, 1 + number % 3, life=10_000))


async def _darken(cosmos: Cosmos, number: int) -> None:
    cosmos.darken(f"n{1 + number % 2}")


async def _light(cosmos: Cosmos, number: int) -> None:
    cosmos.light(f"n{1 + number % 2}")


async def _progress(cosmos: Cosmos, number: int) -> None:
    await cosmos.progress(number % 2)


STEPS: tuple[Step, ...] = (
    *(_create, _power, _ask, _delete, _evict, _fail, _forsake, _shut_down),
    *(_darken, _light),
    *(_schedule, _act, _collect, _crash),
    *(_schedule, _act, _hear, _hear, _one, _both, _both, _progress, _progress, _progress),
)


async def _live(seed: int, steps: list[tuple[Step, int]]) -> Cosmos:
    cosmos = Cosmos(Random(seed))
    await cosmos.furnish()
    await cosmos.create(disks=DISK)
    for step, number in steps:
        await step(cosmos, number)
        cosmos.check()
    await cosmos.settle()
    cosmos.check()
    return cosmos


stories = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 12)), max_size=40)
patient = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])


@patient
@given(seed=st.integers(0, 1 << 16), steps=stories)
def test_a_machine_ends_as_its_spec_says_whatever_happened(seed: int, steps: list[tuple[Step, int]]) -> None:
    asyncio.run(_ends_as_specified(seed, steps))


async def _ends_as_specified(seed: int, steps: list[tuple[Step, int]]) -> None:
    cosmos = await _live(seed, steps)
    machine = cosmos.machine()
    if machine is None:
        assert cosmos.left() == {}
        return
    uid, status = machine["metadata"]["uid"], machine["status"]
    running = cosmos.agents.on(uid)
    if machine["spec"]["powerState"] in {"Stopped", "Hibernated"} or _rests(status):
        assert (running, cosmos.etcd.every(kinds.POD)) == ([], [])
    else:
        assert running == [status["nodeName"]], status
        assert status["phase"] == machine["spec"]["powerState"], status


def _rests(status: dict[str, Any]) -> bool:
    return bool(status.get("lastStop", {}).get("reason") == "GuestShutdown" and status["phase"] == "Stopped")


@patient
@given(seed=st.integers(0, 1 << 16), steps=stories)
def test_deleting_leaves_nothing_behind(seed: int, steps: list[tuple[Step, int]]) -> None:
    asyncio.run(_leaves_nothing(seed, steps))


async def _leaves_nothing(seed: int, steps: list[tuple[Step, int]]) -> None:
    cosmos = await _live(seed, steps)
    cosmos.delete()
    await cosmos.settle()
    assert cosmos.left() == {}
    assert all(not host.disks and not host.guests for host in cosmos.agents.hosts.values())


@pytest.mark.parametrize("number", [0, 1])
def test_one_life_costs_eight_writes_to_begin_and_eight_to_end(number: int) -> None:
    asyncio.run(_cost(number))


async def _cost(number: int) -> None:
    cosmos = Cosmos(Random(number))
    cosmos.controllers.pop()
    await cosmos.furnish()
    await cosmos.create(disks=DISK)
    before = cosmos.etcd.writes
    await cosmos.settle(pause=0.5)
    running = cosmos.etcd.writes
    cosmos.delete()
    await cosmos.settle(pause=0.5)
    assert (running - before, cosmos.etcd.writes - running) == (8, 8)
