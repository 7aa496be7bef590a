"""A restart that changes what is booked books first: stop, another place, start."""

import json
from typing import Any

import pytest
from tests.support.machines import (
    POLICY,
    make_catalog,
    make_domain,
    make_found,
    make_machine,
    make_off,
    make_pod,
    notes,
)

from drover.planning import action, anchor
from drover.planning.action import Action
from drover.planning.found import Found
from drover.planning.resolve import resolve
from drover.planning.virtualmachine import decide
from drover.state.pod import Pod

NOW = "2026-11-21T12:00:00Z"
LARGER: dict[str, Any] = {"memory": {"size": "1Gi"}}
SMALLER: dict[str, Any] = {"memory": {"size": "256Mi"}}
RESTART = {"annotations": notes(restartedAt="now")}


def _pod(number: int = 1, **spec: Any) -> Pod:
    """An anchor that was booked for this spec."""
    effective = resolve("web", make_machine(**spec).spec, make_catalog(), POLICY)
    booked = json.dumps(anchor.resources(effective))
    return make_pod(number, meta={"annotations": notes(machine_uid="uid-web", books=booked)})


def _found(meta: Any = None, domain: Any = None, pod: Pod | None = None, **spec: Any) -> Found:
    """A machine whose spec has changed since its place was booked."""
    return make_found(make_machine(meta, **spec), domains=(domain or make_domain(),), anchors=(pod or _pod(),))


def _actions(found: Found) -> list[Action]:
    return [each for stage in decide(found, now=NOW).stages for each in stage]


def test_an_anchor_says_what_was_asked_for_it() -> None:
    (made,) = [each for each in _actions(make_found()) if isinstance(each, action.Create)]

    assert json.loads(made.body["metadata"]["annotations"]["drover.dev/books"])["cpu"] == "100m"


def test_what_is_not_booked_is_not_given_to_the_node() -> None:
    assert _actions(_found(**LARGER)) == []


def test_what_is_booked_already_is_given_at_once() -> None:
    (told,) = _actions(_found(**SMALLER))

    assert told.spec["machine"]["memoryBytes"] == 256 << 20  # type: ignore[union-attr]


@pytest.mark.parametrize("spec", [LARGER, SMALLER], ids=["more", "less"])
def test_a_restart_stops_a_guest_whose_place_is_to_change(spec: dict[str, Any]) -> None:
    (told,) = _actions(_found(RESTART, **spec))

    wanted = ("Stopped", "Requested")
    assert (told.spec["powerState"], told.spec["stopReason"]) == wanted  # type: ignore[union-attr]
    assert "restartedAt" not in told.spec  # type: ignore[union-attr]


def test_a_restart_that_changes_nothing_of_the_place_needs_no_other() -> None:
    (told,) = _actions(_found(RESTART))

    assert (told.spec["powerState"], told.spec["restartedAt"]) == ("Running", "now")  # type: ignore[union-attr]


def test_once_the_guest_is_off_its_place_is_given_up_and_another_booked() -> None:
    released, booked = _actions(_found(RESTART, make_off(), **LARGER))

    assert isinstance(released, action.ReleaseAnchor)
    assert isinstance(booked, action.Create)
    assert json.loads(booked.body["metadata"]["annotations"]["drover.dev/books"])["memory"] != str(512 << 20)


def test_in_its_new_place_the_guest_is_started_with_all_that_it_asks_for() -> None:
    (told,) = _actions(_found(RESTART, make_off(), _pod(2, **LARGER), **LARGER))

    assert (told.spec["powerState"], told.spec["restartedAt"]) == ("Running", "now")  # type: ignore[union-attr]
    assert told.spec["machine"]["memoryBytes"] == 1 << 30  # type: ignore[union-attr]


def test_an_anchor_of_an_earlier_release_says_nothing_and_is_believed() -> None:
    (told,) = _actions(_found(RESTART, pod=make_pod(), **LARGER))

    assert told.spec["powerState"] == "Running"  # type: ignore[union-attr]


def test_devices_are_booked_by_resource() -> None:
    devices = [{"name": name, "resource": "nvidia.com/GA102"} for name in ("one", "two")]
    effective = resolve("web", make_machine(devices=devices).spec, make_catalog(), POLICY)
    booked = anchor.resources(effective)

    assert booked["nvidia.com/GA102"] == "2"
    assert not anchor.covers(_pod(), effective)
    assert anchor.covers(_pod(devices=devices), effective)
