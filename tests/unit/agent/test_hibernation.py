"""A guest's memory is saved: that takes as long as it takes, and nobody waits for it."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.world import KEY, UUID, World

from drover.api.kinds import DOMAIN
from drover.errors import Retryable
from drover.state.resource import Key


@pytest.fixture
async def world(tmp_path: Path) -> World:
    """A machine whose memory is being saved, which takes long."""
    world = World(tmp_path)
    world.order()
    await world.reconcile()
    world.host.saved, world.node.chores._patience = asyncio.Event(), 0.0
    world.order(powerState="Hibernated")
    await look(world)
    return world


async def look(world: World, times: int = 3) -> None:
    """Let the agent look again and again."""
    for _ in range(times):
        with suppress(Retryable):
            await world.reconcile()
        await asyncio.sleep(0.001)
        world.pass_time(6)


async def end(world: World) -> None:
    """Let the save come to its end."""
    assert world.host.saved is not None
    world.host.saved.set()
    await asyncio.sleep(0.001)


async def test_a_guest_whose_memory_is_being_saved_keeps_nobody_waiting(world: World) -> None:
    assert (world.told.status.state, world.told.status.reason) == ("Running", "Hibernating")
    assert (world.condition("Running"), world.condition("GuestReady")) == (("True", "Hibernating"), ("False", "Saving"))
    assert world.host.calls.count("hibernate") == 1

    await end(world)
    await world.reconcile()

    assert world.told.status.state == "Hibernated"
    assert not world.node.chores.is_doing(UUID)


@pytest.mark.parametrize(
    ("wish", "state", "verbs"),
    [
        ({"powerState": "Stopped", "terminationGracePeriodSeconds": 0}, "Stopped", ["stop_saving", "destroy"]),
        ({"powerState": "Stopped"}, "Stopping", ["stop_saving", "shutdown"]),
        ({"powerState": "Running"}, "Running", ["stop_saving"]),
        ({"powerState": "Paused"}, "Paused", ["stop_saving", "suspend"]),
    ],
)
async def test_who_wants_something_else_by_then_need_not_wait(
    world: World, wish: dict[str, Any], state: str, verbs: list[str]
) -> None:
    world.order(**wish)

    await look(world, 1)

    assert world.told.status.state in {state, "Running"}
    assert [verb for verb in world.host.calls if verb in {"stop_saving", "destroy", "shutdown", "suspend"}] == verbs
    await end(world)
    await look(world, 1)
    assert (world.told.status.state, world.host.found[UUID].has_managed_save) == (state, False)


@pytest.mark.parametrize(("grace", "verb"), [(0, "destroy"), (60, "stop_saving")])
async def test_a_machine_is_deleted_while_its_memory_is_being_saved(world: World, grace: int, verb: str) -> None:
    world.bind(capacity="1Gi")
    world.host.listens = True
    world.order(terminationGracePeriodSeconds=grace)
    world.delete(DOMAIN, KEY)

    await look(world, 1)

    assert (DOMAIN, KEY) not in world.etcd.objects
    assert (world.host.found, verb in world.host.calls) == ({}, True)


async def test_an_agent_that_died_meanwhile_finds_it_saved(world: World) -> None:
    after = world.reborn()
    await look(after)
    assert (after.told.status.reason, after.host.calls.count("hibernate")) == ("Hibernating", 1)

    await end(world)
    await look(after)

    assert (after.told.status.state, after.host.calls.count("hibernate")) == ("Hibernated", 1)


async def test_a_stop_after_an_agent_died_meanwhile_does_not_wait_either(world: World) -> None:
    after = world.reborn()
    after.order(powerState="Stopped", terminationGracePeriodSeconds=0)

    await look(after)

    assert (after.told.status.state, after.host.found[UUID].has_managed_save) == ("Stopped", False)


async def test_what_somebody_saves_who_was_not_ordered_to_is_waited_for(world: World) -> None:
    after = world.reborn()
    after.order(powerState="Running")
    await look(after)
    assert "stop_saving" not in after.host.calls

    await end(world)
    await look(after)

    assert (after.told.status.state, after.host.boots) == ("Running", 1)


async def test_other_machines_start_while_the_memory_of_many_is_being_saved(world: World) -> None:
    other = Key("shop", "other")
    world.order(key=other, uuid="other", virtualMachine={"name": "other", "uid": "other"})

    await world.reconcile(other)

    assert world.host.found["other"].state == "Running"


async def test_memory_that_cannot_be_saved_is_told_and_tried_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order()
    await world.reconcile()
    world.host.broken["hibernate"] = Retryable("no room", reason="SaveFailed")
    world.order(powerState="Hibernated")
    await look(world)
    assert world.condition("Running") == ("True", "SaveFailed")

    world.host.broken.clear()
    await look(world)

    assert world.told.status.state == "Hibernated"
