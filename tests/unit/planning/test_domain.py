"""What is done about one Domain."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any, get_args

import pytest
from tests.support.domains import (
    BOOT,
    DISK,
    NOW,
    make_guest,
    make_off,
    make_order,
    make_record,
    make_seen,
    make_spec,
    stopping,
)

from drover.api.domain import DomainStatus, DomainTimeline
from drover.api.virtualmachine import LastStop
from drover.planning import names
from drover.planning.domain import decide
from drover.planning.domain_action import (
    CheckHost,
    Define,
    DetachDisk,
    DropVolume,
    Launch,
    ReleaseDomain,
    Restore,
    WriteRecord,
    WriteSeed,
    concern,
)
from drover.planning.domain_seen import ROOM_CHECK, Decision
from drover.planning.domain_start import preparations
from drover.planning.live import machine as live_machine
from drover.state.guest import GuestReason, Record

POWER = ("Running", "Paused", "Hibernated", "Stopped")
DELETING = {"deleting": "2026-11-21T11:59:59Z"}


def steps(decision: Decision) -> list[str]:
    return [type(action).__name__ for action in decision.actions]


def record_of(decision: Decision) -> Record:
    notes = [action for action in decision.actions if isinstance(action, (Define, Launch, Restore, WriteRecord))]
    return notes[-1].record


PREPARE = ["EnsurePool", "EnsureVolume", "EnsureNetwork", "WriteLease", "SetInterfaces"]
START = ["TakeTurn", "CheckHost", *PREPARE, "Launch"]


# --- every combination has an answer ----------------------------------------------------------------------------------

RECORDS = {
    "fresh": make_off(last_stop=None, boot_id=""),
    "off": make_off(),
    "resting": make_off("GuestShutdown", resting=True),
    "waiting": make_off("GuestPanic", next_restart="2026-11-21T12:00:10Z", failures=2),
    "attempted": make_record(timeline=DomainTimeline()),
    "confirmed": make_record(),
    "stopping": make_record(stopping=stopping()),
    "elsewhen": make_record(boot_id="earlier"),
    "problem": make_record(problem="ResumeFailed"),
}


@pytest.mark.parametrize("power", POWER)
@pytest.mark.parametrize("name", RECORDS)
def test_every_state_of_guest_order_and_record_has_an_answer_that_never_destroys_unasked(power: str, name: str) -> None:
    for state, reason, saved in product(("Running", "Paused", "Off"), get_args(GuestReason), (False, True)):
        guest = make_guest(state, reason, RECORDS[name], has_managed_save=saved and state == "Off")
        decision = decide(make_order(powerState=power), make_seen(guest))
        destroys = {"CutPower", "DiscardSave", "Undefine"} & set(steps(decision))
        assert not destroys or power == "Stopped" or reason == "Panicked"


def test_a_running_guest_whose_interfaces_are_not_as_ordered_gets_them_at_once() -> None:
    assert steps(decide(make_order(), make_seen(make_guest(), wired=False))) == ["SetInterfaces"]


@pytest.mark.parametrize("name", RECORDS)
def test_a_running_guest_that_should_run_is_never_stopped_by_us(name: str) -> None:
    decision = decide(make_order(), make_seen(make_guest(record=RECORDS[name])))

    assert not {"CutPower", "Hibernate"} & set(steps(decision))
    assert name == "stopping" or "RequestShutdown" not in steps(decision)


# --- starting ---------------------------------------------------------------------------------------------------------


def test_a_new_machine_is_prepared_and_launched() -> None:
    decision = decide(make_order(), make_seen())

    assert (steps(decision), decision.state) == (START, "Pending")


def test_a_machine_that_should_be_paused_is_started_paused() -> None:
    launch = decide(make_order(powerState="Paused"), make_seen()).actions[-1]

    assert isinstance(launch, Launch)
    assert launch.paused


@pytest.mark.parametrize("power", ["Stopped", "Hibernated"])
def test_a_new_machine_that_should_be_off_is_not_even_prepared(power: str) -> None:
    decision = decide(make_order(powerState=power), make_seen())

    assert (steps(decision), decision.state, decision.settled) == ([], "Stopped", True)


def test_requests_count_as_handled_by_the_first_start() -> None:
    record = record_of(decide(make_order(restartedAt="r1", startedAt="s1"), make_seen()))

    assert (record.handled_restart, record.handled_start) == ("r1", "s1")


def test_a_kernel_and_an_image_are_fetched_before_the_volumes_are_made() -> None:
    kernel = {"image": "shop/tiny", "kernel": {"url": "http://web/vmlinuz"}}

    assert [type(step).__name__ for step in preparations(make_spec(kernel=kernel))][:3] == [
        "EnsurePool",
        "FetchImages",
        "EnsureVolume",
    ]


def test_pools_and_networks_are_looked_at_once_each() -> None:
    disks = [{"name": name, "volume": f"web.{name}", "volumeUid": name, "pool": "default"} for name in ("a", "b")]

    found = [type(step).__name__ for step in preparations(make_spec(disks=disks, interfaces=[]))]
    assert found == ["EnsurePool", "EnsureVolume", "EnsureVolume"]


def test_encrypted_disks_are_opened_before_anything_is_begun_with_them() -> None:
    disks = [DISK | {"key": {"name": "vault-key", "key": "passphrase"}}]

    started = [type(step).__name__ for step in preparations(make_spec(disks=disks, interfaces=[]))]
    woken = steps(decide(make_order(disks=disks, interfaces=[]), make_seen(SAVED)))
    assert started == ["EnsurePool", "EnsureVolume", "OpenVolume"]
    assert woken == ["EnsurePool", "OpenVolume", "Restore"]


def test_a_launched_guest_is_confirmed_before_anything_else() -> None:
    attempted = make_record(timeline=DomainTimeline(prepared="2026-11-21T11:59:59Z"))

    decision = decide(make_order(powerState="Stopped"), make_seen(make_guest(record=attempted)))

    assert steps(decision) == ["WriteRecord"]
    now = "2026-11-21T12:00:00.000000Z"
    assert record_of(decision).timeline == DomainTimeline(prepared="2026-11-21T11:59:59Z", started=now, ready=now)


def test_a_running_guest_is_left_alone() -> None:
    decision = decide(make_order(), make_seen(make_guest()))

    assert (steps(decision), decision.state, decision.reason, decision.settled) == ([], "Running", "Running", True)


def test_what_waits_for_a_restart_does_not_touch_the_running_guest() -> None:
    order = make_order(machine={"cores": 8, "memoryBytes": 1 << 33, "firmware": "UEFI"})

    assert steps(decide(order, make_seen(make_guest()))) == []


def test_a_start_that_was_written_down_but_never_happened_is_made_up_for() -> None:
    attempted = make_record(timeline=DomainTimeline(), handled_restart="r1")

    decision = decide(make_order(restartedAt="r1"), make_seen(make_guest("Off", "Destroyed", attempted)))

    assert steps(decision) == START


def test_a_start_that_this_process_saw_and_that_ended_at_once_counts_as_a_stop() -> None:
    attempted = make_record(timeline=DomainTimeline())

    decision = decide(make_order(), make_seen(make_guest("Off", "Crashed", attempted), launched=True))

    assert record_of(decision).last_stop.reason == "HypervisorKilled"  # type: ignore[union-attr]


def test_a_machine_whose_name_another_guest_holds_waits() -> None:
    decision = decide(make_order(), make_seen(namesake="other"))

    assert (steps(decision), decision.reason, decision.again) == ([], "NameTaken", ROOM_CHECK)


def test_a_domain_without_our_finalizer_gets_it_before_anything_is_made() -> None:
    assert steps(decide(make_order({"finalizers": ()}), make_seen())) == ["HoldDomain"]


def test_an_order_of_an_older_incarnation_touches_nothing() -> None:
    decision = decide(make_order(powerState="Stopped"), make_seen(make_guest(record=make_record(epoch=2))))

    assert (steps(decision), decision.state, decision.reason) == ([], "Unknown", "NewerEpoch")


def test_a_guest_of_an_older_incarnation_is_adopted() -> None:
    order = make_order({"key": make_order().meta.key.__class__("shop", "web-4")}, epoch=4)

    adopted = record_of(decide(order, make_seen(make_guest())))

    assert (adopted.domain, adopted.epoch, adopted.live) == ("web-4", 4, make_record().live)


# --- after a boot, without the API ------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", [make_off(boot_id="earlier"), make_off(boot_id="")], ids=["earlier", "never"])
def test_nothing_starts_on_a_boot_that_has_not_read_the_api(record: Record) -> None:
    decision = decide(make_order(), make_seen(make_guest("Off", "Unknown", record), primed=False))

    assert (steps(decision), decision.reason) == ([], "WaitingForAPI")


def test_saved_memory_is_not_restored_on_a_boot_that_has_not_read_the_api() -> None:
    guest = make_guest("Off", "Saved", make_record(boot_id="earlier"), has_managed_save=True)

    assert steps(decide(make_order(), make_seen(guest, primed=False))) == []


def test_a_guest_of_this_boot_is_restarted_without_the_api() -> None:
    record = make_off("GuestPanic", next_restart="2026-11-21T12:00:00Z", failures=1)

    assert steps(decide(make_order(), make_seen(make_guest("Off", "Crashed", record), primed=False))) == START


def test_a_guest_that_runs_is_not_touched_without_the_api() -> None:
    assert steps(decide(make_order(), make_seen(make_guest(), primed=False))) == []


# --- stopping ---------------------------------------------------------------------------------------------------------


def test_a_stop_is_written_down_before_the_guest_is_asked() -> None:
    decision = decide(make_order(powerState="Stopped", actor="argocd"), make_seen(make_guest()))

    assert steps(decision) == ["WriteRecord"]
    assert record_of(decision).stopping == stopping(actor="argocd", since="2026-11-21T12:00:00.000000Z")


def test_an_eviction_is_written_down_as_one() -> None:
    decision = decide(make_order(powerState="Stopped", stopReason="Evicted"), make_seen(make_guest()))

    assert record_of(decision).stopping.reason == "Evicted"  # type: ignore[union-attr]


STOPPING = make_guest(record=make_record(stopping=stopping()))


@pytest.mark.parametrize(
    ("seen", "expected", "again"),
    [
        pytest.param({}, ["RequestShutdown"], 10, id="asked-first"),
        pytest.param({"asked_for": 3.0, "stopping_for": 3.0}, [], 7, id="waits"),
        pytest.param({"asked_for": 10.0, "stopping_for": 10.0}, ["RequestShutdown"], 10, id="asked-again"),
        pytest.param({"asked_for": 6.0, "stopping_for": 57.0}, [], 3, id="waits-for-the-end"),
        pytest.param({"asked_for": 6.0, "stopping_for": 60.0}, ["CutPower"], None, id="cut"),
    ],
)
def test_a_guest_is_asked_every_ten_seconds_and_cut_after_the_grace_period(
    seen: Any, expected: list[str], again: float | None
) -> None:
    decision = decide(make_order(powerState="Stopped"), make_seen(STOPPING, **seen))

    assert (steps(decision), decision.again, decision.state) == (expected, again, "Stopping")


def test_without_a_grace_period_the_power_is_cut_at_once() -> None:
    order = make_order(powerState="Stopped", terminationGracePeriodSeconds=0)

    assert steps(decide(order, make_seen(STOPPING))) == ["CutPower"]


def test_a_stop_that_has_begun_is_finished_although_the_machine_should_run_again() -> None:
    assert steps(decide(make_order(powerState="Running"), make_seen(STOPPING))) == ["RequestShutdown"]


def test_a_paused_guest_is_woken_so_that_it_can_hear_the_request() -> None:
    guest = make_guest("Paused", "User", STOPPING.record)

    assert steps(decide(make_order(powerState="Stopped"), make_seen(guest))) == ["Resume", "RequestShutdown"]


def test_a_guest_somebody_started_although_it_should_be_off_is_noted_then_stopped() -> None:
    guest = make_guest(record=make_off())

    noted = decide(make_order(powerState="Stopped"), make_seen(guest))
    then = decide(make_order(powerState="Stopped"), make_seen(replace(guest, record=record_of(noted))))

    assert (steps(noted), steps(then), then.state) == (["WriteRecord"], ["WriteRecord"], "Stopping")
    assert record_of(then).stopping is not None


# --- after a stop -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "policy", "resting", "next_restart"),
    [
        ("Shutdown", "Always", False, "2026-11-21T12:00:00Z"),
        ("Shutdown", "OnFailure", True, None),
        ("Shutdown", "Never", True, None),
        ("Destroyed", "OnFailure", False, "2026-11-21T12:00:00Z"),
        ("Destroyed", "Never", True, None),
    ],
)
def test_a_guest_that_stopped_by_itself_follows_its_restart_policy(
    reason: Any, policy: str, *, resting: bool, next_restart: str | None
) -> None:
    order, seen = make_order(restartPolicy=policy), make_seen(make_guest("Off", reason), ran_for=3600.0)

    record = record_of(decide(order, seen))

    assert (record.resting, record.next_restart, record.live) == (resting, next_restart, None)


def test_a_guest_that_shut_itself_down_stays_stopped_under_never() -> None:
    guest = make_guest("Off", "Shutdown", make_off("GuestShutdown", resting=True))

    decision = decide(make_order(restartPolicy="Never"), make_seen(guest))

    assert (steps(decision), decision.state, decision.reason, decision.settled) == (
        [],
        "Stopped",
        "RestartPolicy",
        True,
    )


def test_a_resting_guest_starts_when_its_policy_becomes_always() -> None:
    guest = make_guest("Off", "Shutdown", make_off("GuestShutdown", resting=True))

    assert steps(decide(make_order(restartPolicy="Always"), make_seen(guest))) == START


def test_a_guest_that_waits_for_its_restart_rests_when_its_policy_becomes_never() -> None:
    guest = make_guest("Off", "Shutdown", make_off("GuestPanic", next_restart="2026-11-21T12:01:00Z", failures=3))

    assert record_of(decide(make_order(restartPolicy="Never"), make_seen(guest))).resting


@pytest.mark.parametrize("request_", [{"startedAt": "s2"}, {"restartedAt": "r2"}], ids=["start", "restart"])
def test_a_resting_guest_starts_by_a_request(request_: Any) -> None:
    guest = make_guest("Off", "Shutdown", make_off("GuestShutdown", resting=True))

    decision = decide(make_order(restartPolicy="Never", **request_), make_seen(guest))

    assert steps(decision) == START
    assert record_of(decision).restarts == 0


def test_a_request_that_was_handled_starts_nothing() -> None:
    guest = make_guest("Off", "Shutdown", make_off("GuestShutdown", resting=True, handled_start="s2"))

    assert steps(decide(make_order(restartPolicy="Never", startedAt="s2"), make_seen(guest))) == []


def test_a_resting_guest_starts_after_it_was_told_to_stop_and_to_run_again() -> None:
    guest = make_guest("Off", "Shutdown", make_off("GuestShutdown", resting=True))

    stopped = decide(make_order(restartPolicy="Never", powerState="Stopped"), make_seen(guest))
    again = decide(make_order(restartPolicy="Never"), make_seen(replace(guest, record=record_of(stopped))))

    assert steps(again) == START


def test_a_requested_stop_is_followed_by_a_start_under_any_policy() -> None:
    guest = make_guest("Off", "Shutdown", make_off("Requested"))

    assert steps(decide(make_order(restartPolicy="Never"), make_seen(guest))) == START


@pytest.mark.parametrize(("stopped_for", "left"), [(0.0, 20.0), (19.0, 1.0)])
def test_a_failing_guest_is_held_back(stopped_for: float, left: float) -> None:
    record = make_off("GuestPanic", next_restart="2026-11-21T12:00:20Z", failures=3)

    decision = decide(make_order(), make_seen(make_guest("Off", "Crashed", record), stopped_for=stopped_for))

    assert (steps(decision), decision.reason, decision.again, decision.settled) == ([], "BackOff", left, True)


def test_after_the_pause_it_is_started_and_counted() -> None:
    record = make_off("GuestPanic", next_restart="2026-11-21T12:00:20Z", failures=3, restarts=2)

    decision = decide(make_order(), make_seen(make_guest("Off", "Crashed", record), stopped_for=20.0))

    assert steps(decision) == START
    assert (record_of(decision).restarts, record_of(decision).failures) == (3, 3)


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_jump_of_the_clock_neither_shortens_nor_lengthens_the_pause(jump: timedelta) -> None:
    record = make_off("GuestPanic", next_restart="2026-11-21T12:00:20Z", failures=3)

    decision = decide(make_order(), make_seen(make_guest("Off", "Crashed", record), now=NOW + jump, stopped_for=5.0))

    assert decision.again == 15.0


@pytest.mark.parametrize(("policy", "expected"), [("Always", START), ("OnFailure", START), ("Never", [])])
def test_after_a_reboot_of_the_node_the_policy_decides(policy: str, expected: list[str]) -> None:
    order = make_order(restartPolicy=policy)
    guest = make_guest("Off", "Unknown", make_record(boot_id="earlier"))

    ended = record_of(decide(order, make_seen(guest)))

    assert ended.last_stop.reason == "HostFailure"  # type: ignore[union-attr]
    assert steps(decide(order, make_seen(replace(guest, record=ended)))) == expected


# --- restart, pause, hibernate ----------------------------------------------------------------------------------------


def test_a_restart_request_stops_the_guest_first() -> None:
    decision = decide(make_order(restartedAt="r2"), make_seen(make_guest()))

    assert record_of(decision).stopping.reason == "Requested"  # type: ignore[union-attr]


def test_a_start_request_to_a_running_guest_is_only_noted() -> None:
    decision = decide(make_order(startedAt="s2"), make_seen(make_guest()))

    assert (steps(decision), record_of(decision).handled_start) == (["WriteRecord"], "s2")


@pytest.mark.parametrize(
    ("power", "state", "reason", "expected", "told"),
    [
        ("Paused", "Running", "Booted", ["Pause"], ("Paused", "Requested")),
        ("Paused", "Paused", "User", [], ("Paused", "Requested")),
        ("Running", "Paused", "User", ["Resume"], ("Paused", "SuspendedOnHost")),
        ("Running", "Paused", "IOError", ["Resume"], ("Paused", "OutOfSpace")),
        ("Paused", "Paused", "IOError", ["Resume"], ("Paused", "OutOfSpace")),
        ("Running", "Paused", "Saving", [], ("Running", "Saving")),
        ("Hibernated", "Running", "Booted", ["Hibernate"], ("Running", "Hibernating")),
        ("Hibernated", "Paused", "User", ["Hibernate"], ("Running", "Hibernating")),
        ("Running", "Paused", "Panicked", ["WriteRecord", "CutPower"], ("Stopping", "Panicked")),
    ],
)
def test_a_guest_in_flight_is_brought_to_the_wished_state(
    power: str, state: Any, reason: Any, expected: list[str], told: tuple[str, str]
) -> None:
    decision = decide(make_order(powerState=power), make_seen(make_guest(state, reason)))

    assert (steps(decision), (decision.state, decision.reason)) == (expected, told)


@pytest.mark.parametrize("seen", [{"room": False}, {"resumed_for": 2.0}], ids=["full", "just-tried"])
def test_a_guest_that_ran_out_of_space_waits_for_room(seen: Any) -> None:
    decision = decide(make_order(), make_seen(make_guest("Paused", "IOError"), **seen))

    assert (steps(decision), decision.again, decision.settled) == ([], ROOM_CHECK, True)


WAKE = ["EnsurePool", "EnsureNetwork", "SetInterfaces", "Restore"]
SAVED = make_guest("Off", "Saved", has_managed_save=True)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"powerState": "Hibernated"}, []),
        ({"powerState": "Running"}, WAKE),
        ({"powerState": "Paused"}, WAKE),
        ({"powerState": "Stopped"}, ["WriteRecord", "DiscardSave"]),
        ({"powerState": "Stopped", "stopReason": "Evicted"}, []),
        ({"powerState": "Running", "restartedAt": "r2"}, ["WriteRecord", "DiscardSave"]),
        ({"powerState": "Hibernated", "restartedAt": "r2"}, []),
    ],
)
def test_saved_memory_is_kept_restored_or_thrown_away_as_the_spec_says(spec: Any, expected: list[str]) -> None:
    assert steps(decide(make_order(**spec), make_seen(SAVED))) == expected


FAILED = replace(SAVED, record=make_record(problem="ResumeFailed"))


def test_memory_that_cannot_be_restored_is_kept_and_told() -> None:
    decision = decide(make_order(), make_seen(FAILED))

    assert (steps(decision), decision.state, decision.reason, decision.settled) == (
        [],
        "Hibernated",
        "ResumeFailed",
        True,
    )


def test_a_restart_request_discards_memory_that_cannot_be_restored_and_boots() -> None:
    order = make_order(restartedAt="r2")

    discarded = decide(order, make_seen(FAILED))
    booted = decide(order, make_seen(make_guest("Off", "Saved", record_of(discarded))))

    assert (steps(discarded), steps(booted)) == (["WriteRecord", "DiscardSave"], START)
    assert record_of(booted).handled_restart == "r2"


def test_hibernating_again_lets_a_failed_restore_be_tried_again() -> None:
    assert record_of(decide(make_order(powerState="Hibernated"), make_seen(FAILED))).problem == ""


# --- behind our back --------------------------------------------------------------------------------------------------


def test_a_running_guest_that_somebody_undefined_is_defined_again() -> None:
    decision = decide(make_order(), make_seen(make_guest(persistent=False)))

    assert steps(decision) == ["Define"]


LIVE = DomainStatus(
    state="Running",
    live=make_record().live,
    boot_id=BOOT,
    restarts=2,
    handled_restart="r1",
    handled_start="s1",
    timeline=DomainTimeline(started="2026-11-21T11:30:00Z"),
)


def test_a_guest_that_libvirt_forgot_is_noted_as_destroyed_with_all_that_was_reported() -> None:
    decision = decide(make_order(status=LIVE, restartedAt="r1", startedAt="s1"), make_seen())

    record = record_of(decision)
    assert steps(decision) == ["Define"]
    assert record.last_stop.reason == "Destroyed"  # type: ignore[union-attr]
    assert (record.handled_restart, record.handled_start, record.restarts) == ("r1", "s1", 2)


def test_a_forgotten_guest_that_rested_rests_on() -> None:
    stop = LastStop(reason="GuestShutdown", time="2026-11-21T11:30:00Z")
    status = DomainStatus(state="Stopped", reason="RestartPolicy", last_stop=stop)

    decision = decide(make_order(status=status, restartPolicy="Never"), make_seen())

    assert decision.reason == "RestartPolicy"
    assert "Launch" not in steps(decision)


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_a_deleted_machine_is_stopped_gracefully() -> None:
    decision = decide(make_order(DELETING), make_seen(make_guest()))

    assert (steps(decision), decision.state) == (["WriteRecord"], "Stopping")


@pytest.mark.parametrize("saved", [False, True])
def test_a_deleted_machine_that_is_off_leaves_nothing(*, saved: bool) -> None:
    guest = make_guest("Off", "Shutdown", has_managed_save=saved)

    assert steps(decide(make_order(DELETING), make_seen(guest))) == ["Undefine", "RemoveLease", "ReleaseDomain"]


def test_a_deleted_machine_that_libvirt_does_not_know_is_let_go() -> None:
    assert steps(decide(make_order(DELETING), make_seen())) == ["RemoveLease", "ReleaseDomain"]


@pytest.mark.parametrize(
    ("guest", "seen"),
    [(make_guest(), {"kinds_removed": True}), (make_guest(record=make_record(epoch=2)), {})],
    ids=["definitions-removed", "newer-guest"],
)
def test_a_deletion_that_is_no_order_to_stop_only_lets_the_domain_go(guest: Any, seen: Any) -> None:
    assert decide(make_order(DELETING), make_seen(guest, **seen)).actions == (ReleaseDomain(orphaned=True),)


def test_a_deleted_domain_that_is_not_ours_to_release_is_left_alone() -> None:
    order = make_order({**DELETING, "finalizers": (names.FINALIZER_VOLUME,)})

    assert steps(decide(order, make_seen(make_guest()))) == []


def test_a_guest_with_a_seed_gets_it_before_it_starts() -> None:
    found = preparations(make_spec(seed={"hostname": "web"}))

    assert found[-1] == WriteSeed()
    assert concern(WriteSeed()) == "VolumesReady"


# --- hardware ---------------------------------------------------------------------------------------------------------


def test_what_applies_at_once_is_done_and_written_down() -> None:
    order = make_order(disks=[])
    noted = decide(order, make_seen(make_guest()))
    decision = decide(order, make_seen(make_guest(record=record_of(noted))))

    assert (steps(noted), steps(decision)) == (["WriteRecord"], ["DetachDisk", "WriteRecord"])
    assert decision.actions[0] == DetachDisk("root")
    live = record_of(decision).live
    assert live is not None
    assert (live.disks, live.changing) == ([], {})


@pytest.mark.parametrize(
    ("primed", "again"), [(True, 0.2), (False, 5.0)], ids=["the-api-is-read", "the-api-is-not-read-yet"]
)
def test_nothing_is_plugged_in_before_the_api_says_that_it_may_be(primed: bool, again: float) -> None:  # noqa: FBT001
    order = make_order(disks=[DISK, DISK | {"name": "data", "volume": "web.data", "volumeUid": "v2"}])
    guest = make_guest(record=record_of(decide(order, make_seen(make_guest()))))
    untold = decide(order, make_seen(guest, primed=primed))
    told = decide(replace(order, status=DomainStatus(live=guest.record.live)), make_seen(guest))

    assert (untold.actions, untold.again) == ((), again)
    assert steps(told) == ["EnsurePool", "AttachDisk", "WriteRecord"]


def test_a_guest_whose_clock_stands_still_is_changed_when_it_runs_on() -> None:
    order = make_order(powerState="Paused", disks=[])

    assert steps(decide(order, make_seen(make_guest("Paused", "User")))) == []


def test_a_guest_that_its_watchdog_paused_stays_so() -> None:
    decision = decide(make_order(), make_seen(make_guest("Paused", "Watchdog")))

    assert (decision.state, decision.reason, decision.actions) == ("Paused", "Watchdog", ())


EPHEMERAL: dict[str, Any] = DISK | {"hardware": {"ephemeral": "Enabled"}}


def started_with(disk: dict[str, Any]) -> Record:
    """Record of a guest in flight whose start gave it this disk."""
    return make_record(live=live_machine(make_order(disks=[disk]).spec))


def test_an_ephemeral_disk_is_dropped_at_the_end_and_before_the_start() -> None:
    order = make_order(disks=[EPHEMERAL])

    ended = decide(order, make_seen(make_guest("Off", "Shutdown", started_with(EPHEMERAL))))
    started = decide(order, make_seen(make_guest("Off", "Shutdown", make_off())))

    assert steps(ended) == ["WriteRecord", "DropVolume"]
    assert DropVolume(order.spec.disks[0]) in ended.actions
    assert steps(started)[:5] == ["TakeTurn", "CheckHost", "EnsurePool", "DropVolume", "EnsureVolume"]
    assert CheckHost() in started.actions


def test_what_a_run_was_to_keep_is_not_dropped_at_its_end_though_the_next_one_is_to_keep_nothing() -> None:
    kept = make_guest("Off", "Shutdown", started_with(DISK))
    untold = make_guest("Off", "Shutdown", make_off(stopping=stopping()))

    for guest in (kept, untold):
        assert steps(decide(make_order(disks=[EPHEMERAL]), make_seen(guest))) == ["WriteRecord"]


def test_what_is_in_a_drive_is_fetched_before_the_start() -> None:
    image = {"image": "shop/disc", "source": {"url": "http://web/disc"}}
    order = make_order(media=[{"name": "cd", "image": image}])

    assert "FetchImages" in steps(decide(order, make_seen()))


def test_a_stop_by_the_watchdog_is_told() -> None:
    decision = decide(make_order(), make_seen(make_guest("Off", "Shutdown"), starved=True))
    stop = record_of(decision).last_stop

    assert stop is not None
    assert stop.reason == "Watchdog"
