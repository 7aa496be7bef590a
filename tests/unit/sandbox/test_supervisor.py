import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from drover.sandbox import component, process
from drover.sandbox.component import Component
from drover.sandbox.layout import Layout
from drover.sandbox.supervisor import Supervisor, answer
from drover.sandbox.unit import FIRST_PAUSE, Unit

SLEEPER = Component(name="sleeper", command=("sleep", "600"))
DEADLINE = 10


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Supervisor]:
    layout = Layout(tmp_path, 1)
    layout.run.mkdir()
    layout.logs.mkdir()
    made = Supervisor(layout)
    yield made
    await order(made, verb="shutdown")
    for task in made.tasks.values():
        task.cancel()
    await asyncio.gather(*made.tasks.values(), return_exceptions=True)


async def order(bed: Supervisor, **words: Any) -> dict[str, Any]:
    return await answer(bed, json.dumps(words).encode())


async def until(bed: Supervisor, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE), bed.changed:
        await bed.changed.wait_for(condition)


async def running(bed: Supervisor, item: Component = SLEEPER) -> Unit:
    await order(bed, verb="keep", components=component.encode([item]))
    unit = bed.units[item.name]
    await until(bed, lambda: unit.identity is not None)
    return unit


async def test_a_killed_component_comes_back_as_another_process(bed: Supervisor) -> None:
    unit = await running(bed)
    first = unit.identity

    await order(bed, verb="kill", names=["sleeper"])
    await until(bed, lambda: unit.identity not in {first, None})
    assert unit.restarts == 1


async def test_a_stopped_component_stays_down_until_it_is_started(bed: Supervisor) -> None:
    unit = await running(bed)

    assert (await order(bed, verb="stop", names=["sleeper"]))["reports"][0]["state"] == "stopped"
    assert not unit.pid_file.exists()
    assert (await order(bed, verb="start", names=["sleeper"]))["reports"][0]["state"] == "running"


async def test_a_component_that_is_kept_again_unchanged_is_left_alone(bed: Supervisor) -> None:
    first = (await running(bed)).identity

    assert (await running(bed)).identity == first


async def test_a_component_that_changed_is_started_anew(bed: Supervisor) -> None:
    unit = await running(bed)
    first = unit.identity

    await running(bed, Component(name="sleeper", command=("sleep", "601")))
    await until(bed, lambda: unit.identity not in {first, None})


async def test_a_restart_ends_with_a_new_process(bed: Supervisor) -> None:
    first = (await running(bed)).identity

    reports = (await order(bed, verb="restart", names=["sleeper"]))["reports"]
    assert reports[0]["state"] == "running"
    assert bed.units["sleeper"].identity != first


async def test_the_next_supervisor_adopts_what_runs(bed: Supervisor) -> None:
    first = (await running(bed)).identity

    adopted = Unit(SLEEPER, bed.layout, bed.changed)
    assert adopted.adopt()
    assert adopted.identity == first


async def test_the_next_supervisor_ends_what_should_run_differently(bed: Supervisor) -> None:
    first = (await running(bed)).identity
    assert first is not None

    changed = Unit(Component(name="sleeper", command=("sleep", "601")), bed.layout, bed.changed)
    assert not changed.adopt()
    await asyncio.wait_for(first.ended(), DEADLINE)


async def test_what_lives_in_a_node_waits_until_the_node_is_on(bed: Supervisor) -> None:
    guest = Component(name="agent-n1", command=("sleep", "600"), node="n1", cgroup="none")

    await order(bed, verb="keep", components=component.encode([guest]))
    reports = (await order(bed, verb="status"))["reports"]
    assert [item["state"] for item in reports] == ["waiting"]


async def test_an_early_death_makes_the_next_pause_longer(bed: Supervisor) -> None:
    brief = Component(name="brief", command=("true",))
    await order(bed, verb="keep", components=component.encode([brief]))
    unit = bed.units["brief"]

    await until(bed, lambda: unit.restarts >= 2)
    assert unit.pause > FIRST_PAUSE


async def test_an_unknown_name_is_refused_with_the_known_ones(bed: Supervisor) -> None:
    await running(bed)

    assert await order(bed, verb="stop", names=["nobody"]) == {"error": "no component nobody; there are sleeper"}


async def test_a_dropped_component_is_forgotten(bed: Supervisor) -> None:
    first = (await running(bed)).identity
    assert first is not None

    await order(bed, verb="drop", names=["sleeper"])
    assert bed.units == {}
    assert not first.alive()
    assert component.load(bed.listing) == ()


async def test_output_goes_to_the_log_of_the_component(bed: Supervisor) -> None:
    talker = Component(name="talker", command=("sh", "-c", 'echo "$GREETING"'), environment=(("GREETING", "hi"),))
    await order(bed, verb="keep", components=component.encode([talker]))

    await until(bed, lambda: bed.units["talker"].restarts > 0)
    assert bed.layout.log("talker").read_text().startswith("hi\n")


async def test_processes_carry_the_mark_of_their_sandbox(bed: Supervisor) -> None:
    unit = await running(bed)

    assert unit.identity in process.marked(bed.layout.mark)
