"""What is told of a Domain, and when."""

from pathlib import Path

import pytest
from tests.unit.agent.world import KEY, World

from drover.agent.report import Reporter
from drover.api.domain import DomainStatus

RUNNING = DomainStatus(state="Running")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.order()
    return world


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reporter(world: World, clock: Clock) -> Reporter:
    return Reporter(world.node.cluster, clock=clock)


async def test_what_is_settled_is_told_at_once(world: World, reporter: Reporter) -> None:
    assert await reporter.report(world.told, RUNNING, patience=0) is None
    assert world.told.status == RUNNING


async def test_what_passes_is_told_only_when_it_lasts(world: World, reporter: Reporter, clock: Clock) -> None:
    assert await reporter.report(world.told, RUNNING, patience=1.0) == 1.0
    clock.now = 0.4
    assert await reporter.report(world.told, RUNNING, patience=1.0) == pytest.approx(0.6)
    assert world.told.status == DomainStatus()

    clock.now = 1.0
    assert await reporter.report(world.told, RUNNING, patience=1.0) is None
    assert world.told.status == RUNNING


async def test_two_words_about_something_unsettled_are_a_second_apart(
    world: World, reporter: Reporter, clock: Clock
) -> None:
    await reporter.report(world.told, RUNNING, patience=1.0)
    clock.now = 1.0
    await reporter.report(world.told, RUNNING, patience=1.0)

    assert await reporter.report(world.told, DomainStatus(state="Pending"), patience=1.0) == 1.0


async def test_settling_in_between_begins_anew(world: World, reporter: Reporter, clock: Clock) -> None:
    await reporter.report(world.told, RUNNING, patience=1.0)
    clock.now = 0.9
    await reporter.report(world.told, RUNNING, patience=0)

    assert await reporter.report(world.told, DomainStatus(state="Pending"), patience=1.0) == 1.0


async def test_nothing_new_costs_nothing(world: World, reporter: Reporter) -> None:
    await reporter.report(world.told, RUNNING, patience=0)
    writes = world.etcd.writes

    await reporter.report(world.told, RUNNING, patience=0)

    assert world.etcd.writes == writes


async def test_a_domain_that_is_forgotten_has_its_patience_back(world: World, reporter: Reporter, clock: Clock) -> None:
    await reporter.report(world.told, RUNNING, patience=1.0)
    clock.now = 5.0
    reporter.forget(KEY)

    assert await reporter.report(world.told, RUNNING, patience=1.0) == 1.0
