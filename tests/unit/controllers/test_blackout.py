"""Nodes lose power and cables, come back late, and are marked as off: never two guests, nothing torn away unasked."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.controllers.blackout import Blackout

from drover.api import kinds

DISK = [{"name": "root", "size": "1Gi"}]
Step = Callable[[Blackout, int], Awaitable[None]]


def _node(cosmos: Blackout, number: int) -> str:
    """Name a node: mostly the one that the machine is on."""
    nodes = [body["spec"]["nodeName"] for _, body in cosmos.etcd.every(kinds.DOMAIN)]
    return nodes[-1] if nodes and number % 4 else f"n{1 + number // 4 % 2}"


async def _off(cosmos: Blackout, number: int) -> None:
    cosmos.power_off(_node(cosmos, number))


async def _cut(cosmos: Blackout, number: int) -> None:
    cosmos.partition(_node(cosmos, number))


async def _heal(cosmos: Blackout, number: int) -> None:
    cosmos.heal(_node(cosmos, number))


async def _boot(cosmos: Blackout, number: int) -> None:
    await cosmos.boot(_node(cosmos, number))


async def _awake(cosmos: Blackout, number: int) -> None:
    await cosmos.awake(_node(cosmos, number))


async def _say(cosmos: Blackout, number: int) -> None:
    """Say that a node is off, in one of three ways, when it is; a boot before this one may be named at any time."""
    node = _node(cosmos, number)
    if node not in cosmos.off:
        cosmos.annotate_node(node, "an earlier boot")
    elif number % 3 == 0:
        cosmos.annotate_node(node, cosmos._boot(node))
    elif number % 3 == 1:
        cosmos.taint(node)
    else:
        cosmos.remove(node)


async def _untaint(cosmos: Blackout, number: int) -> None:
    cosmos.taint(_node(cosmos, number), ())


async def _suspect(cosmos: Blackout, number: int) -> None:
    cosmos.suspect(number // 2 % 2, _node(cosmos, number))


async def _fail_over(cosmos: Blackout, number: int) -> None:
    """Let everything happen at its usual pace: off, silent, said, acted on."""
    await _off(cosmos, number)
    await _say(cosmos, number)
    cosmos.controllers[0].caches.hear()
    cosmos.suspect(0, _node(cosmos, number))
    await cosmos.progress(0)


async def _tend(cosmos: Blackout, number: int) -> None:
    await cosmos.tend(number % 2)


async def _beat(cosmos: Blackout, number: int) -> None:
    node = _node(cosmos, number)
    if node not in cosmos.off | cosmos.cut:
        cosmos.beat(node)


async def _power(cosmos: Blackout, number: int) -> None:
    cosmos.change(powerState=("Running", "Paused", "Hibernated")[number % 3])


async def _evict(cosmos: Blackout, _number: int) -> None:
    cosmos.delete(kinds.POD)


async def _schedule(cosmos: Blackout, _number: int) -> None:
    cosmos.schedule()


async def _act(cosmos: Blackout, _number: int) -> None:
    await cosmos.act()


async def _hear(cosmos: Blackout, number: int) -> None:
    cosmos.controllers[number % 2].caches.hear(number)


async def _crash(cosmos: Blackout, number: int) -> None:
    await cosmos.run(number % 2, 2, life=1 + number)


async def _both(cosmos: Blackout, number: int) -> None:
    await asyncio.gather(cosmos.run(0, 2, life=10_000), cosmos.run(1, 1 + number % 3, life=10_000))


async def _progress(cosmos: Blackout, number: int) -> None:
    await cosmos.progress(number % 2)


STEPS: tuple[Step, ...] = (
    *(_off, _off, _cut, _heal, _boot, _boot, _awake, _say, _say, _untaint, _suspect, _suspect, _suspect, _tend, _beat),
    *(_power, _evict, _schedule, _act, _hear, _hear, _crash, _both, _both, _progress, _progress, _fail_over),
)
stories = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 12)), min_size=4, max_size=40)
patient = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])


async def _live(seed: int, steps: list[tuple[Step, int]], spec: dict[str, Any], access: str) -> Blackout:
    cosmos = Blackout(Random(seed), access=access)
    await cosmos.furnish()
    await cosmos.create(interfaces=[], **spec)
    await cosmos.progress(0)
    for step, number in steps:
        await step(cosmos, number)
        cosmos.check()
        assert cosmos.agents.discarded == []
    await cosmos.settle()
    cosmos.check()
    return cosmos


@pytest.mark.parametrize(
    ("disks", "access"),
    [
        pytest.param([], "NodeLocal", id="no disk"),
        pytest.param(DISK, "NodeLocal", id="a disk on its node"),
        pytest.param(DISK, "Shared", id="a disk that every node sees"),
    ],
)
@patient
@given(seed=st.integers(0, 1 << 16), steps=stories, policy=st.sampled_from(["Always", "Never"]))
def test_never_two_guests_and_nothing_lost_whatever_is_off(
    disks: list[Any], access: str, seed: int, steps: list[tuple[Step, int]], policy: str
) -> None:
    asyncio.run(_never_two(seed, steps, {"restartPolicy": policy, "disks": disks}, access))


async def _never_two(seed: int, steps: list[tuple[Step, int]], spec: dict[str, Any], access: str) -> None:
    cosmos = await _live(seed, steps, spec, access)
    machine = cosmos.machine()
    assert machine is not None
    assert cosmos.agents.discarded == []
    domains = cosmos.etcd.every(kinds.DOMAIN)
    assert len(domains) <= 1, "a Domain was left behind"
    running, status = cosmos.agents.on(machine["metadata"]["uid"]), machine["status"]
    wanted = machine["spec"]["powerState"]
    if wanted == "Hibernated" or status["phase"] == "Stopped":
        assert running == []
        assert wanted == "Hibernated" or spec["restartPolicy"] == "Never"
    else:
        assert (running, status["phase"]) == ([status["nodeName"]], wanted)


@pytest.mark.parametrize(("access", "moves"), [("Shared", True), ("NodeLocal", False)])
def test_a_machine_whose_disk_every_node_sees_starts_elsewhere_only_when_its_node_is_said_to_be_off(
    access: str, *, moves: bool
) -> None:
    asyncio.run(_lose_the_node(access, moves=moves))


async def _lose_the_node(access: str, *, moves: bool) -> None:
    cosmos = Blackout(Random(0), access=access)
    await cosmos.furnish()
    await cosmos.create(interfaces=[], restartPolicy="Always", disks=DISK)
    await cosmos.progress(0)
    (node,) = cosmos.agents.on(cosmos.uids[0])
    cosmos.partition(node)
    cosmos.suspect(0, node)
    await cosmos.progress(0)
    assert cosmos.agents.on(cosmos.uids[0]) == [node], "silence alone starts nothing"

    cosmos.power_off(node)
    cosmos.annotate_node(node, cosmos._boot(node))
    cosmos.controllers[0].caches.hear()
    cosmos.suspect(0, node)
    await cosmos.progress(0)
    await cosmos.progress(0)
    other = ({"n1", "n2"} - {node}).pop()
    assert cosmos.agents.on(cosmos.uids[0]) == ([other] if moves else [])
    cosmos.check()
