"""The restart policy and its back-off."""

from itertools import pairwise
from typing import Any

import pytest

from drover.api.virtualmachine import LastStop
from drover.planning.restart import BackOff, by_itself, restarts


def stop(reason: Any) -> LastStop:
    return LastStop(reason=reason, time="2026-11-21T12:00:00Z")


FAILURES = ("GuestPanic", "GuestCrashed", "HypervisorKilled", "Destroyed", "HostFailure", "OutOfSpace", "Unknown")


@pytest.mark.parametrize(("policy", "again"), [("Always", True), ("OnFailure", False), ("Never", False)])
def test_a_clean_shutdown_is_followed_by_a_restart_only_under_always(policy: Any, *, again: bool) -> None:
    assert restarts(policy, stop("GuestShutdown")) is again


@pytest.mark.parametrize("reason", FAILURES)
@pytest.mark.parametrize(("policy", "again"), [("Always", True), ("OnFailure", True), ("Never", False)])
def test_a_failure_is_followed_by_a_restart_unless_never(policy: Any, reason: str, *, again: bool) -> None:
    assert restarts(policy, stop(reason)) is again


@pytest.mark.parametrize("reason", ["Requested", "Evicted"])
def test_our_own_stops_are_not_counted(reason: str) -> None:
    assert not by_itself(stop(reason))


@pytest.mark.parametrize("reason", ["GuestShutdown", *FAILURES])
def test_every_other_stop_is_the_guests_or_the_hosts(reason: str) -> None:
    assert by_itself(stop(reason))


def test_the_first_restart_is_immediate_and_the_pauses_double_up_to_five_minutes() -> None:
    pauses = [BackOff().delay(failures) for failures in range(9)]

    assert pauses == [0, 10, 20, 40, 80, 160, 300, 300, 300]


def test_the_pause_never_shrinks_and_never_overflows() -> None:
    pauses = [BackOff().delay(failures) for failures in range(5000)]

    assert all(earlier <= later for earlier, later in pairwise(pauses))


def test_a_long_run_starts_over() -> None:
    assert BackOff().step(5, 600.0, stop("GuestPanic")) == 0


def test_a_short_run_goes_on_counting() -> None:
    assert BackOff().step(5, 599.0, stop("GuestPanic")) == 5


def test_a_host_failure_is_not_held_against_the_guest() -> None:
    assert BackOff().step(5, 1.0, stop("HostFailure")) == 0
