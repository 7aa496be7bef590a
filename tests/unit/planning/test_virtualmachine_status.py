"""What is said of a machine: phase, conditions, summary and the fields people look at."""

from typing import Any

import pytest
from tests.support.machines import (
    MAC,
    NOW,
    SILENT,
    make_address,
    make_catalog,
    make_domain,
    make_found,
    make_machine,
    make_off,
    make_pod,
    make_volume,
)

from drover.api.virtualmachine import VirtualMachineStatus
from drover.planning.conditions import Finding, find
from drover.planning.found import Found, assess
from drover.planning.phase import phase, settled
from drover.planning.virtualmachine import decide
from drover.planning.virtualmachine_status import differs

EARLIER = "2026-11-21T10:00:00Z"
LATER = "2026-11-21T11:30:00Z"
LAN = [{"name": "lan"}]
ROOT = {"name": "root", "size": "1Gi"}
TOLD = [
    {"type": name, "status": "True", "reason": "Fine", "lastTransitionTime": NOW}
    for name in ("VolumesReady", "NetworkReady", "Running", "GuestReady")
]
BACK_OFF = {"state": "Stopped", "reason": "BackOff", "nextRestart": LATER}
RESTING = {"state": "Stopped", "reason": "RestartPolicy"}


def _found(power: str = "Running", domain: Any = None, **changes: Any) -> Found:
    domains = (domain,) if domain else ()
    return make_found(make_machine(powerState=power), domains=domains, **changes)


def _status(found: Found) -> VirtualMachineStatus:
    status = decide(found, now=NOW).status
    assert status is not None
    return status


def _condition(found: Found, kind: str) -> tuple[str, str, str]:
    condition = find(_status(found).conditions, kind)
    assert condition is not None
    return condition.status, condition.reason, condition.message


HELD = {"anchors": (make_pod(),)}
TAKEN = "10.20.0.3"


@pytest.mark.parametrize(
    ("found", "word", "lasts"),
    [
        pytest.param(_found(), "Pending", False, id="nothing yet"),
        pytest.param(_found(anchors=(make_pod(node=""),)), "Scheduling", False, id="not bound"),
        pytest.param(_found(anchors=(make_pod(),)), "Provisioning", False, id="bound"),
        pytest.param(_found("Stopped"), "Stopped", True, id="stopped from the start"),
        pytest.param(_found("Hibernated"), "Stopped", True, id="nothing to save"),
        pytest.param(_found("Running", make_domain(status={"state": None}), **HELD), "Provisioning", False, id="new"),
        pytest.param(
            _found("Running", make_domain(status={"state": "Pending"}), **HELD), "Provisioning", False, id="prep"
        ),
        pytest.param(
            _found("Running", make_domain(status={"state": "Starting"}), **HELD), "Starting", False, id="start"
        ),
        pytest.param(_found("Running", make_domain(), **HELD), "Running", True, id="running"),
        pytest.param(_found("Paused", make_domain(), **HELD), "Running", False, id="to be paused"),
        pytest.param(_found("Paused", make_domain(status={"state": "Paused"}), **HELD), "Paused", True, id="paused"),
        pytest.param(_found("Running", make_domain({"generation": 2}), **HELD), "Running", False, id="old news"),
        pytest.param(_found("Stopped", make_domain(powerState="Stopped"), **HELD), "Stopping", False, id="stopping"),
        pytest.param(
            _found("Running", make_domain({"deleting": NOW}), **HELD), "Stopping", False, id="its Domain goes"
        ),
        pytest.param(_found("Stopped", make_domain(status={"state": "Stopping"})), "Stopping", False, id="asked"),
        pytest.param(_found("Stopped", make_off()), "Stopped", True, id="stopped"),
        pytest.param(_found("Hibernated", make_off(power="Hibernated")), "Hibernated", True, id="hibernated"),
        pytest.param(_found("Running", make_off()), "Scheduling", False, id="to be started"),
        pytest.param(_found("Running", make_off(), **HELD), "Starting", False, id="about to start"),
        pytest.param(_found("Running", make_domain(status=RESTING)), "Stopped", True, id="resting"),
        pytest.param(
            _found("Running", make_domain(status=BACK_OFF), **HELD), "CrashLoopBackOff", True, id="backing off"
        ),
        pytest.param(
            _found("Running", make_domain(status={"state": "Hibernated", "reason": "ResumeFailed"}), **HELD),
            "Hibernated",
            True,
            id="cannot be resumed",
        ),
        pytest.param(_found("Running", make_domain(), lost=SILENT, **HELD), "Unknown", False, id="node lost"),
        pytest.param(
            _found("Running", make_domain(status={"state": "Unknown"}), **HELD), "Unknown", False, id="unknown"
        ),
    ],
)
def test_the_phase_is_one_word_for_all_of_it(found: Found, word: str, *, lasts: bool) -> None:
    situation = assess(found)
    assert (phase(situation), settled(situation, word)) == (word, lasts)


@pytest.mark.parametrize(
    ("found", "kind", "status", "reason"),
    [
        pytest.param(_found("Running", make_domain(), **HELD), "Scheduled", "True", "Scheduled", id="in its place"),
        pytest.param(_found("Stopped", make_off()), "Scheduled", "False", "NotNeeded", id="off"),
        pytest.param(_found("Running", make_domain()), "Scheduled", "False", "ReservationLost", id="without a place"),
        pytest.param(
            _found("Running", make_domain(), anchors=(make_pod(2, ""),)),
            "Scheduled",
            "False",
            "ReservationLost",
            id="its next place is not bound",
        ),
        pytest.param(
            _found("Running", make_domain(), anchors=(make_pod(2, "n2"),)),
            "Scheduled",
            "False",
            "ReservationLost",
            id="its place is elsewhere",
        ),
        pytest.param(_found("Running", make_off()), "Scheduled", "False", "Waiting", id="about to be booked"),
        pytest.param(
            _found(trouble=Finding("Scheduled", "False", "QuotaExceeded", "no")),
            "Scheduled",
            "False",
            "QuotaExceeded",
            id="refused",
        ),
        pytest.param(
            _found(trouble=Finding("Accepted", "False", "InvalidSpec", "no")),
            "Accepted",
            "False",
            "InvalidSpec",
            id="invalid",
        ),
        pytest.param(
            _found(trouble=Finding("VolumesReady", "False", "QuotaExceeded", "no")),
            "VolumesReady",
            "False",
            "QuotaExceeded",
            id="no room for volumes",
        ),
        pytest.param(_found(), "Running", "False", "Waiting", id="no node yet"),
        pytest.param(
            _found("Running", make_domain(), **HELD), "Running", "False", "Waiting", id="its agent has not told"
        ),
        pytest.param(_found("Stopped"), "Running", "False", "Stopped", id="off without a Domain"),
        pytest.param(
            _found("Running", make_domain(status={"conditions": TOLD}), **HELD), "Running", "True", "Fine", id="as told"
        ),
        pytest.param(
            _found("Running", make_domain(status={"conditions": TOLD}), lost=SILENT, **HELD),
            "GuestReady",
            "Unknown",
            "NodeLost",
            id="nobody tells",
        ),
    ],
)
def test_a_condition_tells_what_is_known(found: Found, kind: str, status: str, reason: str) -> None:
    assert _condition(found, kind)[:2] == (status, reason)


@pytest.mark.parametrize(
    ("found", "status", "named"),
    [
        pytest.param(_found("Running", make_domain(status={"conditions": TOLD}), **HELD), "True", "", id="all is well"),
        pytest.param(_found("Running", make_domain(), **HELD), "False", "VolumesReady", id="the first that blocks"),
        pytest.param(_found("Stopped", make_off()), "True", "", id="stopped as it should be"),
        pytest.param(_found("Hibernated", make_off(power="Hibernated")), "True", "", id="hibernated as it should be"),
        pytest.param(
            _found("Stopped", make_domain(powerState="Stopped"), **HELD), "False", "not off yet", id="stopping"
        ),
        pytest.param(_found("Running", make_domain(status=RESTING)), "False", "restart policy", id="resting"),
        pytest.param(
            _found("Stopped", make_domain(status={"conditions": TOLD}), lost=SILENT, **HELD), "Unknown", "n1", id="lost"
        ),
        pytest.param(
            _found("Paused", make_domain(status={"state": "Paused", "conditions": TOLD[:2]}), **HELD),
            "True",
            "",
            id="paused",
        ),
        pytest.param(
            _found("Paused", make_domain(status={"conditions": TOLD}), **HELD),
            "False",
            "still runs",
            id="not paused yet",
        ),
        pytest.param(
            _found("Paused", make_domain(status={"conditions": TOLD[:2]}), **HELD),
            "False",
            "Running",
            id="not even told",
        ),
        pytest.param(
            make_found(make_machine(powerState="Stopped", kernel={"image": "gone"})), "False", "gone", id="not accepted"
        ),
    ],
)
def test_ready_sums_up_whether_it_is_as_the_spec_says(found: Found, status: str, named: str) -> None:
    told, _, message = _condition(found, "Ready")
    assert told == status
    assert named in message


def test_what_others_hold_is_said_where_it_hurts() -> None:
    machine = make_machine(disks=[{"name": "old", "volume": "kept"}])
    catalog = make_catalog(volumes={"kept": make_volume("kept")}, held={"kept": "db"})
    assert _condition(make_found(machine, catalog), "VolumesReady")[:2] == ("False", "VolumeInUse")
    full = make_catalog(exhausted=frozenset({"default"}))
    assert _condition(make_found(make_machine(interfaces=LAN), full), "NetworkReady")[1] == "NoFreeAddress"
    foreign = make_catalog(claimed={"default-10-20-0-2": make_address(uid="other")})
    asking = make_found(make_machine(interfaces=[{"name": "lan", "address": "10.20.0.2"}]), foreign)
    assert _condition(asking, "NetworkReady")[1] == "AddressInUse"
    assert _condition(asking, "Ready")[1] == "AddressInUse", "not that no place is booked yet"


def test_a_guest_in_flight_shows_what_it_was_started_with() -> None:
    live = {
        "cores": 1,
        "memoryBytes": 1,
        "interfaces": [f"lan default {MAC} 10.20.0.9,fd00::9 E1000E", f"dmz d {MAC} -"],
    }
    found = make_found(make_machine(interfaces=LAN), domains=(make_domain(status={"live": live}),))
    shown = [(each.interface, each.ip, each.ipv6) for each in _status(found).addresses or []]
    assert shown == [("lan", "10.20.0.9", "fd00::9"), ("dmz", None, None)]


def test_the_columns_are_filled_as_soon_as_they_are_known() -> None:
    machine = make_machine(interfaces=[*LAN, {"name": "other"}])
    status = _status(make_found(machine, addresses=(make_address(),), anchors=(make_pod(),)))
    assert [(each.interface, each.ip, each.mac) for each in status.addresses or []] == [("lan", "10.20.0.2", MAC)]
    assert (status.node_name, status.domain, status.epoch) == ("n1", None, None)
    assert status.resolved is not None


def test_what_the_node_tells_is_taken_over_and_kept_when_the_domain_is_gone() -> None:
    stop = {"reason": "GuestPanic", "time": LATER}
    status = _status(_found("Running", make_domain(status={"restarts": 3, "lastStop": stop}), **HELD))
    assert (status.restarts, status.epoch, status.domain) == (3, 1, "web-1")
    kept = make_machine(status=status.model_dump(by_alias=True, exclude_none=True))
    after = _status(make_found(kept))
    assert (after.restarts, after.last_stop, after.epoch, after.domain) == (3, status.last_stop, 1, None)


def test_detached_volumes_are_listed() -> None:
    assert _status(make_found(owned=(make_volume("web.data"),))).detached_volumes == ["web.data"]


def test_a_difference_to_the_machine_in_flight_is_pending() -> None:
    live = {"cores": 1, "memoryBytes": 512 << 20, "disks": ["old web.old"], "interfaces": [], "kernel": ""}
    machine = make_machine(cpu={"cores": 2}, memory={"size": "1Gi"})
    found = make_found(machine, domains=(make_domain(status={"live": live}),), anchors=(make_pod(),))
    pending = {each.path: (each.live, each.desired, each.effect) for each in _status(found).pending_changes or []}
    assert pending == {
        "spec.cpu.cores": ("1", "2", "Restart"),
        "spec.memory.size": ("512Mi", "1Gi", "Restart"),
        "spec.disks[old]": ("web.old", "none", "Live"),
    }
    assert _condition(found, "Synced")[:2] == ("False", "RestartRequired")


@pytest.mark.parametrize(("told_of", "expected"), [(1, "Impossible"), (0, "RestartRequired")])
def test_what_the_node_lacks_counts_when_it_was_told_of_what_is_asked_for_now(told_of: int, expected: str) -> None:
    live = {"cores": 1, "memoryBytes": 512 << 20, "disks": [], "interfaces": [], "kernel": ""}
    lacking = [{"path": "spec.cpu.model", "message": "this node has no processor Z80"}]
    domain = make_domain(status={"live": live, "lacking": lacking, "observedGeneration": told_of})
    found = make_found(make_machine(cpu={"model": "Z80"}), domains=(domain,), anchors=(make_pod(),))
    assert _condition(found, "Synced")[:2] == ("False", expected)


@pytest.mark.parametrize(
    ("pod", "told", "before", "expected"),
    [
        pytest.param(None, None, None, None, id="never started"),
        pytest.param(make_pod(node=""), None, None, {"accepted": "2026-11-21T11:00:00Z"}, id="accepted"),
        pytest.param(
            make_pod(),
            {"prepared": LATER, "started": LATER},
            None,
            {
                "accepted": "2026-11-21T11:00:00Z",
                "scheduled": "2026-11-21T11:00:01Z",
                "prepared": LATER,
                "started": LATER,
            },
            id="started",
        ),
        pytest.param(
            make_pod(),
            {"prepared": EARLIER},
            None,
            {"accepted": "2026-11-21T11:00:00Z", "scheduled": "2026-11-21T11:00:01Z"},
            id="an earlier start does not count",
        ),
        pytest.param(None, None, {"accepted": EARLIER}, {"accepted": EARLIER}, id="kept after the stop"),
    ],
)
def test_the_timeline_tells_of_the_latest_start(pod: Any, told: Any, before: Any, expected: Any) -> None:
    machine = make_machine(status={"startTimeline": before} if before else {})
    domains = (make_domain(status={"timeline": told}),) if told else ()
    found = _status(make_found(machine, domains=domains, anchors=(pod,) if pod else ())).start_timeline
    assert (found.model_dump(exclude_none=True) if found else None) == expected


def test_the_order_of_keyed_lists_is_no_difference() -> None:
    status = _status(make_found(make_machine(interfaces=LAN), addresses=(make_address(),)))
    turned = status.model_copy(update={"conditions": list(reversed(status.conditions or []))})
    assert not differs(status, turned)
    assert differs(status, turned.model_copy(update={"phase": "Running"}))


def test_a_machine_that_goes_says_so_and_what_keeps_it() -> None:
    going = make_machine({"deleting": NOW}, status={"nodeName": "n1"})
    status = _status(make_found(going))
    assert (status.phase, status.node_name) == ("Terminating", "n1")
    assert _condition(make_found(going), "Ready")[1] == "Terminating"
    lost = make_found(going, domains=(make_domain(),), lost=SILENT)
    assert _condition(lost, "Ready")[:2] == ("False", "DeletionBlocked")
    assert _condition(lost, "DeletionBlocked")[:2] == ("True", "NodeLost")


def test_a_deletion_that_was_blocked_says_when_it_is_not_any_more() -> None:
    lost = make_found(make_machine({"deleting": NOW}), domains=(make_domain(),), lost=SILENT)
    told = _status(lost).model_dump(by_alias=True, exclude_none=True)
    freed = make_found(make_machine({"deleting": NOW}, status=told), domains=(make_domain(),))
    assert _condition(freed, "DeletionBlocked")[0] == "False"


def test_a_place_on_a_node_that_fell_silent_says_what_it_waits_for() -> None:
    volume = make_volume(status={"nodeName": "n1"})
    machine, catalog = make_machine(disks=[ROOT]), make_catalog(volumes={"web.root": volume})
    found = make_found(machine, catalog, anchors=(make_pod(),), owned=(volume,), lost=SILENT)
    status = decide(found, now=NOW).status
    running = find(status.conditions, "Running") if status else None

    assert running
    assert running.message == "waits for the agent on n1, which gives no sign of life"


@pytest.mark.parametrize(
    ("spec", "kind", "reason"),
    [
        pytest.param({"disks": [{"name": "old", "volume": "kept"}]}, "VolumesReady", "VolumeInUse", id="a volume"),
        pytest.param({"interfaces": [LAN[0] | {"address": TAKEN}]}, "NetworkReady", "AddressInUse", id="an address"),
        pytest.param({"disks": [{"name": "x", "image": "gone"}]}, "Accepted", "ImageNotFound", id="an image"),
    ],
)
def test_what_a_running_machine_asks_for_in_vain_is_said(spec: dict[str, Any], kind: str, reason: str) -> None:
    running = make_domain(status={"live": {"cores": 1, "memoryBytes": 512 << 20}, "conditions": TOLD})
    claimed = {"a": make_address(TAKEN, "uid-db")}
    catalog = make_catalog(volumes={"kept": make_volume("kept")}, held={"kept": "db"}, claimed=claimed)
    found = make_found(make_machine(**spec), catalog, domains=(running,), **HELD)
    told = {name: _condition(found, name)[:2] for name in (kind, "Synced")}
    assert told == {kind: ("False", reason), "Synced": ("Unknown", reason)}
    assert [_condition(found, name)[0] for name in ("Running", "GuestReady", "Ready")] == ["True", "True", "False"]
