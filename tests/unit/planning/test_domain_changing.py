"""What happens to a guest in flight while its memory is being saved, and while one of its changes cannot be made."""

from typing import Any

import pytest
from tests.support.domains import DISK, make_guest, make_order, make_record, make_seen

from drover.api.domain import DomainStatus
from drover.planning.domain import TOLD_CHECK, WIRES, decide
from drover.planning.domain_action import CutPower, DomainAction, StopSaving
from drover.planning.domain_seen import ROOM_CHECK
from drover.planning.live import machine as live_machine

SAVING = make_guest("Paused", "Saving")
GOING = {"deleting": "2026-11-21T11:59:59Z"}
ROOMY = {"cores": 2, "memoryBytes": 128 << 20, "maxCores": 4}
DATA = DISK | {"name": "data", "volume": "web.data", "volumeUid": "vol-2"}
CORES, DISKS = "spec.cpu.cores", "spec.disks[data]"


@pytest.mark.parametrize(
    ("spec", "seen", "expected"),
    [
        pytest.param({"powerState": "Hibernated"}, {}, (), id="as ordered"),
        pytest.param({"powerState": "Running"}, {}, (), id="somebody saves it"),
        pytest.param({"powerState": "Running"}, {"saving": True}, (StopSaving(),), id="another wish"),
        pytest.param({"powerState": "Stopped"}, {}, (StopSaving(),), id="to be stopped"),
        pytest.param({"powerState": "Running", "restartedAt": "now"}, {}, (StopSaving(),), id="to be restarted"),
    ],
)
def test_a_save_is_waited_for_unless_something_else_is_wanted_by_then(
    spec: Any, seen: Any, expected: tuple[DomainAction, ...]
) -> None:
    decision = decide(make_order(**spec), make_seen(SAVING, **seen))

    assert (decision.actions, decision.state, decision.settled) == (expected, "Running", False)
    assert decision.reason == ("Saving" if spec["powerState"] == "Running" and not expected else "Hibernating")


@pytest.mark.parametrize(("grace", "expected"), [(0, CutPower()), (60, StopSaving())])
@pytest.mark.parametrize("guest", [SAVING, make_guest()], ids=["saving", "waiting for its turn"])
def test_a_machine_that_goes_meanwhile_is_not_saved(guest: Any, grace: int, expected: DomainAction) -> None:
    order = make_order(GOING, terminationGracePeriodSeconds=grace)

    assert decide(order, make_seen(guest, saving=True)).actions == (expected,)


def test_what_cannot_be_changed_is_passed_over() -> None:
    order = make_order(machine=ROOMY, disks=[DISK, DATA])
    present = live_machine(make_order(machine=ROOMY | {"cores": 1}).spec)
    guest = make_guest(record=make_record(live=present))
    found = [decide(order, make_seen(guest, stuck=frozenset(each))) for each in ((), {CORES}, {CORES, DISKS})]

    assert [(each.change, each.reason) for each in found] == [(CORES, "Changing"), (DISKS, "Changing"), ("", "Running")]


def test_wires_that_cannot_be_put_up_are_passed_over() -> None:
    found = [decide(make_order(), make_seen(make_guest(), wired=False, stuck=each)) for each in ({""}, {WIRES})]

    assert [(each.change, each.reason) for each in found] == [(WIRES, "Wiring"), ("", "Running")]


@pytest.mark.parametrize(("primed", "again"), [(True, TOLD_CHECK), (False, ROOM_CHECK)])
def test_what_is_plugged_in_waits_until_it_is_told_and_keeps_nothing_else_waiting(
    *, primed: bool, again: float
) -> None:
    spec: dict[str, Any] = {"machine": ROOMY, "disks": [DISK, DATA]}
    present = live_machine(make_order(**spec | {"machine": ROOMY | {"cores": 1}}).spec)
    present = present.model_copy(update={"changing": {DISKS: "Plugging"}})
    guest = make_guest(record=make_record(live=present))
    first = decide(make_order(**spec), make_seen(guest, primed=primed))
    rest = decide(make_order(**spec), make_seen(guest, primed=primed, stuck=frozenset({CORES})))
    told = decide(make_order(status=DomainStatus(live=present), **spec), make_seen(guest, stuck=frozenset({CORES})))

    assert (first.change, rest.actions, rest.again, rest.untold, told.change) == (CORES, (), again, True, DISKS)
