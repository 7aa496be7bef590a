"""A node that has booted says so before it reads what it is to run."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.world import World

from drover.agent import heartbeat as heartbeats
from drover.agent.heartbeat import announce
from drover.api.kinds import HYPERVISOR
from drover.errors import Unavailable
from drover.state.resource import Key

N1 = Key("", "n1")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Beat:
    """A heartbeat that fails at first, and notes which boot was told of when it succeeded."""

    def __init__(self, world: World, failures: int) -> None:
        self.world = world
        self.failures = failures
        self.told: list[Any] = []

    async def beat(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("no answer")
        found = await self.world.cluster.get(HYPERVISOR, N1)
        self.told.append((found or {}).get("status"))


@pytest.mark.parametrize("failures", [0, 2])
async def test_a_boot_is_told_of_before_the_first_sign_of_life(
    world: World, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr(heartbeats, "RETRY_SECONDS", 0.001)
    body = {"metadata": {"name": "n1"}, "spec": {}, "status": {"bootID": "earlier", "accelerator": "TCG"}}
    await world.cluster.create(HYPERVISOR, body)
    beat = Beat(world, failures)

    await announce(world.node, beat)  # type: ignore[arg-type]

    assert beat.told == [{"bootID": world.node.identity.boot_id, "accelerator": "TCG"}]


async def test_a_node_that_is_new_has_nothing_to_correct(world: World) -> None:
    beat = Beat(world, 0)

    await announce(world.node, beat)  # type: ignore[arg-type]

    assert beat.told == [None]
