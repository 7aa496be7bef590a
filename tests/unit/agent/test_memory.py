"""What the agent remembers."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.domains import NOW

from drover.agent.memory import Memory
from drover.planning.times import micro
from drover.state.guest import GuestEvent

SINCE = micro(NOW)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(0)])
def test_what_this_process_wrote_down_is_measured_by_its_own_clock(clock: Clock, jump: timedelta) -> None:
    memory = Memory(clock)
    memory.lasting("u", "stopping", SINCE, NOW)

    clock.now += 5

    assert memory.lasting("u", "stopping", SINCE, NOW + jump) == 5.0


def test_what_an_earlier_process_wrote_down_counts_from_then(clock: Clock) -> None:
    memory = Memory(clock)

    assert memory.lasting("u", "stopping", SINCE, NOW + timedelta(seconds=20)) == 20.0
    clock.now += 5
    assert memory.lasting("u", "stopping", SINCE, NOW + timedelta(hours=3)) == 25.0


def test_a_time_that_lies_ahead_counts_from_now(clock: Clock) -> None:
    assert Memory(clock).lasting("u", "stopping", SINCE, NOW - timedelta(hours=1)) == 0.0


def test_another_time_is_counted_anew(clock: Clock) -> None:
    memory = Memory(clock)
    memory.lasting("u", "stopping", SINCE, NOW)
    clock.now += 50

    later = NOW + timedelta(seconds=50)
    assert memory.lasting("u", "stopping", micro(later), later) == 0.0


def test_nothing_lasts_without_a_time(clock: Clock) -> None:
    assert Memory(clock).lasting("u", "stopping", None, NOW) == 0.0


@pytest.mark.parametrize(
    ("kind", "detail", "seen"),
    [
        ("Started", "", (True, False, False)),
        ("Panicked", "", (False, True, False)),
        ("Stopped", "Crashed", (False, False, True)),
        ("Stopped", "Failed", (False, False, False)),
        ("Resumed", "", (False, False, False)),
    ],
)
def test_events_are_kept_as_far_as_libvirt_forgets_them(kind: Any, detail: str, seen: tuple[bool, ...]) -> None:
    memory = Memory()
    memory.witness(GuestEvent("u", kind, detail, 0.0))
    known = memory.of("u")

    assert (known.launched, known.panicked, known.crashed) == seen
    known.begin()
    assert (known.launched, known.panicked, known.crashed) == (False, False, False)


def test_a_guest_that_is_forgotten_is_as_new() -> None:
    memory = Memory()
    memory.of("u").launched = True
    memory.forget("u")

    assert not memory.of("u").launched


@pytest.mark.parametrize(("detail", "expected"), [("PowerOff", True), ("Reset", False)])
def test_a_watchdog_that_switched_its_guest_off_is_remembered(clock: Clock, detail: str, *, expected: bool) -> None:
    memory = Memory(clock)
    memory.witness(GuestEvent("u", "Watchdog", detail, 0.0))

    assert memory.of("u").starved is expected
    memory.of("u").begin()
    assert not memory.of("u").starved
