"""What is said of a Domain."""

from typing import Any

import pytest
from tests.support.domains import BOOT, NOW, make_guest, make_off, make_order, make_record, make_seen

from drover.api.domain import DomainStatus, DomainTimeline, Lack, VolumeFact
from drover.errors import NotReady
from drover.planning.domain import decide
from drover.planning.domain_seen import Decision
from drover.planning.domain_status import Facts, describe, is_ready, trouble
from drover.state.guest import Guest

THERE = {"web.root": VolumeFact(name="web.root", ready=True, capacity_bytes=1 << 30)}
PROBED = {"readinessProbe": {"httpGet": {"port": 80}}}


def told(
    guest: Guest | None = None, status: DomainStatus | None = None, spec: Any = None, **facts: Any
) -> DomainStatus:
    order = make_order(status=status, **(spec or {}))
    decision = decide(order, make_seen(guest))
    return describe(order, decision, Facts(guest, BOOT, NOW, **{"volumes": THERE} | facts))


def conditions(status: DomainStatus) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status, each.reason) for each in status.conditions or ()}


def test_a_running_machine_is_told_with_all_it_has() -> None:
    status = told(make_guest())

    assert (status.state, status.observed_generation, status.boot_id) == ("Running", 3, BOOT)
    assert conditions(status) == {
        "VolumesReady": ("True", "Ready"),
        "NetworkReady": ("True", "Ready"),
        "Running": ("True", "Running"),
        "GuestReady": ("True", "Running"),
    }


def test_the_same_is_told_in_the_same_words() -> None:
    first = told(make_guest())

    assert told(make_guest(), status=first, volumes={}) == first


@pytest.mark.parametrize(
    ("ready", "expected"),
    [(None, ("False", "ProbePending")), (True, ("True", "ProbeSucceeded")), (False, ("False", "ProbeFailed"))],
)
def test_a_probe_decides_whether_the_guest_is_ready(ready: Any, expected: Any) -> None:
    assert conditions(told(make_guest(), spec=PROBED, ready=ready))["GuestReady"] == expected


def test_a_guest_that_was_ready_stays_so_until_a_new_agent_knows_better() -> None:
    served = make_record(timeline=DomainTimeline(started="2026-11-21T11:30:00Z", ready="2026-11-21T11:30:03Z"))

    assert conditions(told(make_guest(record=served), spec=PROBED))["GuestReady"] == ("True", "ProbeSucceeded")


@pytest.mark.parametrize(
    ("concern", "expected"),
    [("VolumesReady", "Preparing"), ("NetworkReady", "Preparing"), ("Running", "Preparing")],
)
def test_trouble_is_told_in_the_condition_it_concerns_and_in_the_headline(concern: str, expected: str) -> None:
    found = trouble(concern, NotReady("no room left", reason="PoolFull"))

    status = told(troubles=[found], volumes={})
    assert (status.state, status.reason, status.message) == ("Pending", "PoolFull", "no room left")
    others = {kind: word for kind, word in conditions(status).items() if kind not in {concern, "GuestReady"}}
    assert conditions(status)[concern] == ("False", "PoolFull")
    assert {reason for _, reason in others.values()} == {expected}


def test_trouble_with_a_running_guest_does_not_say_that_it_is_off() -> None:
    status = told(make_guest(), troubles=[trouble("Running", NotReady("no room", reason="SaveFailed"))])

    assert conditions(status)["Running"] == ("True", "SaveFailed")


def test_all_that_cannot_be_changed_is_told() -> None:
    found = [
        trouble("VolumesReady", NotReady(f"disk {name} would not", reason=f"Not{name}"), f"spec.disks[{name}]")
        for name in "ba"
    ]
    status = told(make_guest(), troubles=found)

    assert (status.reason, conditions(status)["VolumesReady"]) == ("Notb", ("False", "Notb"))
    assert "disk b would not; disk a would not" in {each.message for each in status.conditions or ()}
    assert [each.path for each in status.obstacles or ()] == ["spec.disks[a]", "spec.disks[b]"]


def test_what_is_known_of_volumes_is_kept_and_what_is_no_disk_any_more_forgotten() -> None:
    before = DomainStatus(volumes=[*THERE.values(), VolumeFact(name="web.old", ready=True)])

    assert told(make_guest(), status=before, volumes={}).volumes == list(THERE.values())


@pytest.mark.parametrize(("state", "since"), [("Running", "2026-11-21T11:00:00Z"), ("Paused", "2026-11-21T12:00:00Z")])
def test_a_state_lasts_since_it_began(state: Any, since: str) -> None:
    assert told(make_guest(), status=DomainStatus(state=state, since="2026-11-21T11:00:00Z")).since == since


def test_a_stopped_machine_that_was_never_made_does_not_pretend() -> None:
    status = told(spec={"powerState": "Stopped"}, volumes={})

    assert (conditions(status)["VolumesReady"], conditions(status)["Running"]) == (
        ("Unknown", "MadeAtStart"),
        ("False", "Requested"),
    )


def test_the_next_restart_and_the_last_stop_are_told() -> None:
    record = make_off("GuestPanic", next_restart="2026-11-21T12:00:10Z", failures=2, restarts=1)
    status = told(make_guest("Off", "Crashed", record))

    assert (status.reason, status.next_restart, status.restarts) == ("BackOff", "2026-11-21T12:00:10Z", 1)
    assert (status.live, status.last_stop) == (None, record.last_stop)


def test_only_a_running_guest_can_be_ready() -> None:
    paused = Decision("Paused", "Requested")

    assert not is_ready(make_order(), paused, Facts(make_guest("Paused", "User"), BOOT, NOW))


def test_what_the_node_lacks_is_told_by_field() -> None:
    lacking = told(make_guest(), lacks={"spec.graphics": "this node has no graphics SPICE"}).lacking

    assert lacking == [Lack(path="spec.graphics", message="this node has no graphics SPICE")]


def test_what_cannot_be_known_is_unknown() -> None:
    status = told(make_guest(record=make_record(epoch=7)))

    assert conditions(status)["Running"] == ("Unknown", "NewerEpoch")
