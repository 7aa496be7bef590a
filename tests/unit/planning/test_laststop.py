"""Why a guest stopped."""

from typing import Any

import pytest
from tests.support.domains import BOOT, make_guest, make_record, stopping

from drover.planning.laststop import Clues, infer

TIME = "2026-11-21T12:00:00Z"
CLUES = Clues(BOOT, TIME)


@pytest.mark.parametrize(
    ("reason", "found", "actor"),
    [
        ("Shutdown", "GuestShutdown", "guest"),
        ("Crashed", "HypervisorKilled", "node"),
        ("Failed", "HypervisorKilled", "node"),
        ("Destroyed", "Destroyed", "node"),
        ("Saved", "Destroyed", "node"),
        ("Daemon", "HostFailure", "node"),
        ("Unknown", "Unknown", ""),
    ],
)
def test_without_a_note_of_ours_libvirts_reason_decides(reason: Any, found: str, actor: str) -> None:
    stop = infer(make_guest("Off", reason), CLUES)

    assert (stop.reason, stop.actor, stop.time) == (found, actor, TIME)


def test_our_own_note_comes_before_everything() -> None:
    record = make_record(stopping=stopping(reason="Evicted", actor="kubectl"), boot_id="earlier", panicked=True)

    stop = infer(make_guest("Off", "Crashed", record), CLUES)

    assert (stop.reason, stop.actor) == ("Evicted", "kubectl")


def test_a_stop_that_took_a_power_cut_says_so() -> None:
    stop = infer(make_guest("Off", "Destroyed", make_record(stopping=stopping())), CLUES)

    assert stop.detail == "Its power was cut."


def test_another_boot_means_the_host_failed_whatever_libvirt_says() -> None:
    assert infer(make_guest("Off", "Shutdown", make_record(boot_id="earlier")), CLUES).reason == "HostFailure"


@pytest.mark.parametrize(
    ("record", "clues"),
    [(make_record(panicked=True), CLUES), (make_record(), Clues(BOOT, TIME, panicked=True))],
    ids=["noted", "witnessed"],
)
def test_a_reported_panic_is_a_guest_panic(record: Any, clues: Clues) -> None:
    assert infer(make_guest("Off", "Crashed", record), clues).reason == "GuestPanic"


def test_a_crash_event_without_a_panic_is_a_guest_crash() -> None:
    assert infer(make_guest("Off", "Crashed"), Clues(BOOT, TIME, crashed=True)).reason == "GuestCrashed"


def test_a_guest_that_libvirt_forgot_was_destroyed_by_somebody() -> None:
    assert infer(make_guest("Off", "Unknown", persistent=False), CLUES).reason == "Destroyed"
