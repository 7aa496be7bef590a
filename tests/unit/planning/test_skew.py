"""Agents of other releases: which are worked with, and what becomes of machines on the others."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.machines import (
    NOW,
    make_domain,
    make_found,
    make_hypervisor,
    make_machine,
    make_meta,
    make_off,
    make_pod,
    make_volume,
)

from drover.planning.action import Create, CreateDomain, ReleaseAnchor, UpdateSpec
from drover.planning.conditions import Finding, find
from drover.planning.found import Found
from drover.planning.nodelabel import relabel
from drover.planning.skew import API_LEVEL, MINIMUM_API_LEVEL, Skew, judge, summarise
from drover.planning.virtualmachine import decide

OLD = Finding("Scheduled", "False", "AgentTooOld", "the agent on n1 is old")
BEYOND = Skew({"n1": OLD})
EVERYWHERE = Skew({"n1": OLD}, everywhere=True)


def _told(**status: Any) -> Finding | None:
    return judge("n1", make_hypervisor(**status).status)


def _actions(found: Found) -> list[type]:
    return [type(each) for stage in decide(found, now=NOW).stages for each in stage]


def _scheduled(found: Found) -> str:
    status = decide(found, now=NOW).status
    condition = find(status.conditions, "Scheduled") if status else None
    assert condition is not None
    return condition.reason


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({}, id="an agent that has not spoken yet"),
        pytest.param({"agentVersion": "0.1.0", "apiLevel": API_LEVEL}, id="one of this release"),
        pytest.param({"agentVersion": "0.0.1", "apiLevel": MINIMUM_API_LEVEL}, id="the oldest that goes with it"),
    ],
)
def test_agents_within_the_window_are_given_machines(status: dict[str, Any]) -> None:
    assert _told(**status) is None


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ({"agentVersion": "0.0.1"}, "AgentTooOld", "agent on n1 is of release 0.0.1 with API level 0"),
        ({"agentVersion": "0.0.1", "apiLevel": MINIMUM_API_LEVEL - 1}, "AgentTooOld", "upgrade the agents"),
        ({"agentVersion": "9.0.0", "apiLevel": API_LEVEL + 1}, "AgentTooNew", "upgrade the controller"),
    ],
)
def test_others_are_not_and_it_is_said_why(status: dict[str, Any], reason: str, words: str) -> None:
    told = _told(**status)

    assert told is not None
    assert (told.reason, words in told.message) == (reason, True), told.message


@pytest.mark.parametrize(("level", "window"), [(1, "works with 1:"), (5, "works with 3 to 5:")])
def test_the_window_is_published(level: int, window: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drover.planning.skew.API_LEVEL", level)
    monkeypatch.setattr("drover.planning.skew.MINIMUM_API_LEVEL", max(1, level - 2))
    told = _told(agentVersion="0.0.1", apiLevel=0)

    assert told is not None
    assert window in told.message


@pytest.mark.parametrize(("every", "everywhere"), [(1, True), (2, False)])
def test_the_nodes_beyond_are_summed_up(every: int, *, everywhere: bool) -> None:
    beyond = make_hypervisor(agentVersion="0.0.1").status
    skew = summarise([("n1", beyond)], every)

    assert (set(skew.nodes), skew.everywhere, skew.find("n2")) == ({"n1"}, everywhere, None)


def test_where_there_is_no_agent_none_is_beyond() -> None:
    assert summarise([], 0) == Skew()


def test_machines_are_kept_off_a_node_with_such_an_agent() -> None:
    ready = {"type": "Ready", "status": "True", "reason": "AsSpecified", "message": "", "lastTransitionTime": NOW}
    hypervisor = make_hypervisor("n1", agentVersion="0.0.1", conditions=[ready])

    assert relabel(make_meta("n1", namespace=""), hypervisor, silent=False) == "false"


def test_a_place_on_such_a_node_is_given_up_for_another() -> None:
    actions = _actions(make_found(anchors=(make_pod(),), skew=BEYOND))

    assert (ReleaseAnchor in actions, Create in actions, CreateDomain in actions) == (True, True, False)


def test_the_next_place_is_booked_elsewhere() -> None:
    decision = decide(make_found(skew=BEYOND), now=NOW)
    (create,) = (each for stage in decision.stages for each in stage if isinstance(each, Create))

    assert '"NotIn", "values": ["n1"]' in str(create.body).replace("'", '"')


def test_a_machine_that_cannot_leave_waits_and_says_why() -> None:
    disk = {"name": "root", "size": "1Gi"}
    volume = make_volume(status={"nodeName": "n1", "pool": "default"})
    found = make_found(make_machine(disks=[disk]), owned=(volume,), anchors=(make_pod(),), skew=BEYOND)

    assert (_actions(found).count(CreateDomain), _scheduled(found)) == (0, "AgentTooOld")


def test_a_guest_that_is_on_stays_as_it_is() -> None:
    found = make_found(domains=(make_domain(),), anchors=(make_pod(),), skew=BEYOND)

    assert (_actions(found), _scheduled(found)) == ([], "Scheduled")


def test_a_guest_that_is_on_there_is_told_nothing_of_a_changed_spec() -> None:
    """Its agent would start it anew by what it has read, and may have read it otherwise than it is meant."""
    larger = make_machine(cpu={"cores": 4})
    found = make_found(larger, domains=(make_domain(),), anchors=(make_pod(),))

    assert UpdateSpec in _actions(found)
    assert UpdateSpec not in _actions(replace(found, skew=BEYOND))


def test_the_place_of_a_guest_that_is_on_is_booked_anew_where_it_is() -> None:
    decision = decide(make_found(domains=(make_domain(),), skew=BEYOND), now=NOW)
    (create,) = (each for stage in decision.stages for each in stage if isinstance(each, Create))

    assert "NotIn" not in str(create.body)


def test_a_guest_that_is_off_is_not_started_there() -> None:
    found = make_found(domains=(make_off(),), anchors=(make_pod(),), skew=BEYOND)

    assert UpdateSpec not in _actions(found)


def test_where_every_agent_is_beyond_it_is_said_instead_of_the_schedulers_words() -> None:
    waiting = make_pod(node="", scheduled="False", reason="Unschedulable")

    assert _scheduled(make_found(anchors=(waiting,), skew=EVERYWHERE)) == "AgentTooOld"


def test_a_machine_that_is_off_has_nothing_to_say_of_agents() -> None:
    assert _scheduled(make_found(make_machine(powerState="Stopped"), skew=EVERYWHERE)) == "NotNeeded"
