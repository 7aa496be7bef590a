"""Places that are taken away and nodes that are lost: what gives way, what stays, what starts elsewhere."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.machines import (
    FENCED,
    GONE,
    NOW,
    SILENT,
    make_catalog,
    make_domain,
    make_found,
    make_machine,
    make_off,
    make_pod,
    make_volume,
    notes,
)

from drover.planning import action, names
from drover.planning.action import Action
from drover.planning.anchor import HOSTNAME
from drover.planning.found import Found
from drover.planning.node import Lost
from drover.planning.virtualmachine import decide

MADE_ANEW = {"n1": Lost("another", fenced=False, rebooted=True)}
LIVE = {"live": {"cores": 1, "memoryBytes": 1}}
GOING = {"deleting": NOW}
NEVER: dict[str, Any] = {"restartPolicy": "Never"}
ROOT = [{"name": "root", "size": "1Gi"}]
DISK = [{"name": "root", "volume": "web.root", "volumeUid": "uid-web.root", "pool": "default"}]
HIBERNATED = make_off(power="Hibernated")


def _actions(found: Found) -> list[Action]:
    return [each for stage in decide(found, now=NOW).stages for each in stage]


def _words(found: Found) -> list[str]:
    return [_word(each) for each in _actions(found)]


def _word(each: Any) -> str:
    kind = getattr(each, "kind", None)
    return type(each).__name__ + (f" {kind.name}" if kind else "")


def _on_n1(machine: Any = None, **changes: Any) -> Found:
    """A machine that runs on n1, or did when n1 was last heard."""
    domains = (make_domain(status=LIVE, nodeUID="uid-n1"),)
    return make_found(machine or make_machine(), **({"domains": domains, "anchors": (make_pod(),)} | changes))


def _with_disk(node: str | None) -> Found:
    volume = make_volume(status={"nodeName": node} if node else None)
    domains = (make_domain(status=LIVE, disks=DISK),)
    catalog = make_catalog(volumes={"web.root": volume})
    machine = make_machine(disks=ROOT)
    return make_found(machine, catalog, domains=domains, anchors=(make_pod(),), owned=(volume,), lost=FENCED)


# --- eviction --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "pod", "told"),
    [
        pytest.param("Stop", make_pod(meta=GOING), ("Stopped", "Evicted"), id="it gives way"),
        pytest.param("Block", make_pod(meta=GOING), None, id="it does not"),
        pytest.param("Stop", make_pod(meta=GOING | {"finalizers": ()}), None, id="it was given up by us"),
        pytest.param("Stop", make_pod(meta=GOING, phase="Failed"), None, id="it has ended"),
        pytest.param("Stop", make_pod(node="n2", meta=GOING), None, id="it is elsewhere"),
    ],
)
def test_a_guest_gives_way_only_to_who_takes_its_place(policy: str, pod: Any, told: tuple[str, str] | None) -> None:
    steps = _actions(_on_n1(make_machine(evictionPolicy=policy), anchors=(pod,)))
    specs = [each.spec for each in steps if isinstance(each, action.UpdateSpec)]
    assert [(each["powerState"], each.get("stopReason")) for each in specs] == ([told] if told else [])


def test_a_machine_at_rest_is_not_told_that_it_gives_way() -> None:
    rested = make_domain(status={"state": "Stopped", "reason": "RestartPolicy"})
    assert _words(_on_n1(domains=(rested,), anchors=(make_pod(meta=GOING),))) == ["ReleaseAnchor"]


def test_a_guest_that_blocks_gets_another_place_on_its_node_before_the_old_one_is_given_up() -> None:
    machine = make_machine(evictionPolicy="Block")
    going = make_pod(meta=GOING)
    assert "Create Pod" in _words(_on_n1(machine, anchors=(going,)))
    assert "ReleaseAnchor" not in _words(_on_n1(machine, anchors=(going, make_pod(2, node=""))))
    assert "ReleaseAnchor" in _words(_on_n1(machine, anchors=(going, make_pod(2))))


# --- loss ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(_on_n1(lost=SILENT), [], id="silence alone"),
        pytest.param(_on_n1(lost=FENCED), ["Abandon"], id="off"),
        pytest.param(_on_n1(lost=GONE), ["Abandon"], id="gone"),
        pytest.param(_on_n1(lost={"n1": Lost("another", fenced=False)}), [], id="another Node of its name"),
        pytest.param(_on_n1(lost=MADE_ANEW), ["Abandon"], id="another Node of its name, booted since"),
        pytest.param(_on_n1(lost={"n1": Lost("uid-n1", fenced=False, rebooted=True)}), [], id="booted, agent missing"),
        pytest.param(_on_n1(lost={"n2": Lost("uid-n2", fenced=True)}), [], id="another node"),
        pytest.param(_on_n1(make_machine(restartPolicy="OnFailure"), lost=FENCED), ["Abandon"], id="OnFailure"),
        pytest.param(_on_n1(make_machine(**NEVER), lost=FENCED), ["ReleaseAnchor"], id="Never"),
        pytest.param(
            _on_n1(make_machine({"annotations": notes(startedAt="now")}, **NEVER), lost=FENCED),
            ["Abandon"],
            id="Never, but asked for",
        ),
        pytest.param(
            _on_n1(make_machine(**NEVER), lost=FENCED, domains=(make_domain(status={"state": "Pending"}),)),
            ["Abandon"],
            id="Never, but it never ran",
        ),
        pytest.param(
            _on_n1(make_machine(**NEVER), lost=FENCED, domains=(make_domain(status=LIVE, powerState="Stopped"),)),
            ["Abandon"],
            id="Never, stopped and wanted since",
        ),
        pytest.param(
            _on_n1(
                make_machine(**NEVER),
                lost=FENCED,
                domains=(make_domain(status=LIVE, powerState="Stopped", stopReason="Evicted"),),
                anchors=(),
            ),
            [],
            id="Never, evicted when it was lost",
        ),
        pytest.param(
            _on_n1(make_machine(powerState="Stopped"), lost=FENCED, domains=(make_off(),), anchors=()),
            [],
            id="off before",
        ),
        pytest.param(_on_n1(lost=FENCED, closing=True), [], id="nothing can be made"),
        pytest.param(
            _on_n1(make_machine(disks=[{"name": "x", "volume": "no"}]), lost=FENCED), [], id="it lacks a disk"
        ),
        pytest.param(_with_disk("n1"), ["UpdateSpec Domain"], id="its data is there"),
        pytest.param(_with_disk(None), ["UpdateSpec Domain"], id="its data may be there"),
        pytest.param(_on_n1(lost=FENCED, domains=(HIBERNATED,), anchors=()), ["Create Pod"], id="memory"),
        pytest.param(
            _on_n1(
                make_machine({"annotations": notes(restartedAt="now")}),
                lost=FENCED,
                domains=(HIBERNATED,),
                anchors=(),
            ),
            ["Create Pod", "Abandon"],
            id="memory to be discarded",
        ),
        pytest.param(
            _on_n1(lost=FENCED, domains=(make_domain(status=LIVE, powerState="Hibernated"),)),
            ["UpdateSpec Domain"],
            id="memory that may be saved",
        ),
    ],
)
def test_only_what_can_start_elsewhere_is_torn_away(found: Found, words: list[str]) -> None:
    assert _words(found) == words


# --- TPMs ------------------------------------------------------------------------------------------------------------

TPM = {"cores": 1, "memoryBytes": 512 << 20, "firmware": "UEFI", "tpm": "Enabled"}
ELSEWHERE = (make_pod(2, node="n2"),)
SEALED = {"type": "UEFI", "tpm": "Enabled"}
OPENED = {"type": "UEFI", "tpm": "Disabled"}


def _sealed(domain: Any, firmware: Any, **changes: Any) -> Found:
    """A machine with nothing on its node but what a TPM keeps."""
    return _on_n1(make_machine(firmware=firmware), domains=(domain,), **changes)


def _stopped(**status: Any) -> Any:
    return make_domain(None, {"state": "Stopped", "reason": "Requested", **status}, powerState="Stopped", machine=TPM)


BEGUN = {"machineType": "pc-q35-7.2"}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(_sealed(_stopped(**BEGUN), SEALED, anchors=()), ["n1"], id="it has started"),
        pytest.param(_sealed(_stopped(), SEALED, anchors=()), [], id="it has not"),
        pytest.param(_sealed(_stopped(**BEGUN), OPENED, anchors=()), [], id="it is switched off"),
        pytest.param(_sealed(_stopped(**BEGUN), {"type": "UEFI"}, anchors=()), [], id="variables alone"),
    ],
)
def test_a_machine_whose_tpm_has_content_asks_for_its_node_alone(found: Found, words: list[str]) -> None:
    (pod,) = (each.body for each in _actions(found) if isinstance(each, action.Create))
    node = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (term,) = node["nodeSelectorTerms"]
    assert [each["values"] for each in term["matchExpressions"] if each["key"] == HOSTNAME] == (
        [words] if words else []
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(
            _sealed(_stopped(**BEGUN), SEALED, anchors=ELSEWHERE), ["ReleaseAnchor", "Create Pod"], id="it stays"
        ),
        pytest.param(_sealed(_stopped(**BEGUN), OPENED, anchors=ELSEWHERE), ["Delete Domain"], id="switched off"),
        pytest.param(_sealed(_stopped(), SEALED, anchors=ELSEWHERE), ["Delete Domain"], id="it never began"),
        pytest.param(_sealed(make_domain(status=LIVE, machine=TPM), SEALED, lost=FENCED), [], id="its node is off"),
        pytest.param(_sealed(make_domain(status=LIVE, machine=TPM), SEALED, lost=GONE), [], id="its node is gone"),
        pytest.param(_sealed(make_domain(status=LIVE, machine=TPM), OPENED, lost=FENCED), ["Abandon"], id="given up"),
    ],
)
def test_a_domain_with_the_content_of_a_tpm_is_not_left_behind(found: Found, words: list[str]) -> None:
    assert _words(found) == words


LEFT = make_domain(GOING, status=LIVE, nodeUID="uid-n1")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({}, ["ReleaseAnchor", "Create Pod"], id="the place on the node that is off is given up"),
        pytest.param({"anchors": (make_pod(2, node="n2"),)}, ["CreateDomain"], id="and it starts elsewhere"),
        pytest.param(
            {"anchors": (make_pod(2, node="n3"),), "lost": FENCED | {"n3": Lost("u", fenced=False)}},
            ["ReleaseAnchor", "Create Pod"],
            id="but not on another that is silent",
        ),
        pytest.param({"lost": SILENT}, [], id="but not while it may be on"),
        pytest.param({"lost": {}}, [], id="nor when the node is back"),
        pytest.param({"lost": GONE, "anchors": ()}, ["Create Pod", "LetGo"], id="nobody can clean up"),
        pytest.param(
            {"domains": (LEFT, make_domain(epoch=2, nodeName="n2")), "anchors": (make_pod(2, node="n2"),)},
            [],
            id="it runs elsewhere",
        ),
        pytest.param(
            {
                "domains": (LEFT, make_domain(epoch=2, nodeName="n2")),
                "anchors": (make_pod(2, node="n2"),),
                "lost": GONE,
            },
            ["LetGo"],
            id="it runs elsewhere and nobody can clean up",
        ),
    ],
)
def test_a_machine_that_was_torn_away_starts_elsewhere_once(changes: dict[str, Any], words: list[str]) -> None:
    assert _words(_on_n1(**({"domains": (LEFT,), "lost": FENCED} | changes))) == words


def test_the_next_incarnation_has_another_name_and_knows_its_node() -> None:
    found = _on_n1(domains=(LEFT,), anchors=(make_pod(2, node="n2"),), lost=FENCED, node_uids={"n2": "uid-n2"})
    (created,) = _actions(found)
    assert isinstance(created, action.CreateDomain)
    assert created.body["metadata"]["name"] == "web-2"
    assert (created.body["spec"]["nodeName"], created.body["spec"]["nodeUID"]) == ("n2", "uid-n2")


def test_the_next_place_is_not_on_a_node_that_is_silent_and_nobody_waits_to_end_the_old_one() -> None:
    released, created = _actions(_on_n1(domains=(LEFT,), lost=FENCED))
    assert isinstance(released, action.ReleaseAnchor)
    assert (released.delete, released.force) == (True, True)
    assert isinstance(created, action.Create)
    assert "'NotIn', 'values': ['n1']" in str(created.body["spec"]["affinity"])


def _waiting(**found: Any) -> Found:
    """A machine whose anchor was made from all that was found then, and fits nowhere."""
    (created,) = _actions(make_found(**found))
    assert isinstance(created, action.Create)
    marks = tuple(sorted(created.body["metadata"]["annotations"].items()))
    return make_found(**found, anchors=(make_pod(node="", meta={"annotations": marks}),))


def test_a_place_that_avoids_a_node_which_is_back_is_asked_for_anew() -> None:
    found = _waiting(lost=FENCED)
    assert _words(found) == []
    assert _words(replace(found, lost={})) == ["ReleaseAnchor", "Create Pod"]


@pytest.mark.parametrize(
    "spec", [{"memory": {"size": "1Gi"}}, {"nodeSelector": {"disk": "fast"}}], ids=["size", "node"]
)
def test_a_place_that_fits_nowhere_is_asked_for_anew_when_the_spec_is_put_right(spec: dict[str, Any]) -> None:
    found = _waiting(machine=make_machine(memory={"size": "900Gi"}))
    assert _words(found) == []
    assert _words(replace(found, machine=make_machine(**spec))) == ["ReleaseAnchor", "Create Pod"]


def test_a_node_object_that_was_made_anew_is_noted_while_its_agent_is_heard() -> None:
    (noted,) = _actions(_on_n1(node_uids={"n1": "uid-new"}))
    assert isinstance(noted, action.UpdateSpec)
    assert noted.spec["nodeUID"] == "uid-new"
    assert _actions(_on_n1(node_uids={"n1": "uid-n1"})) == []


# --- what is said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "phase", "reason", "stop"),
    [
        pytest.param(_on_n1(lost=SILENT), "Unknown", "NodeLost", None, id="silent"),
        pytest.param(_on_n1(lost=FENCED), "Scheduling", "NodeFenced", "HostFailure", id="off"),
        pytest.param(_on_n1(make_machine(**NEVER), lost=FENCED), "Stopped", "NodeFenced", "HostFailure", id="Never"),
        pytest.param(_with_disk("n1"), "Scheduling", "NodeFenced", "HostFailure", id="its data is there"),
        pytest.param(
            _on_n1(make_machine(powerState="Hibernated"), lost=FENCED, domains=(HIBERNATED,), anchors=()),
            "Hibernated",
            "NodeFenced",
            None,
            id="hibernated",
        ),
        pytest.param(_on_n1(domains=(LEFT,), lost=FENCED), "Pending", "Waiting", "HostFailure", id="left behind"),
        pytest.param(
            _on_n1(domains=(), anchors=(make_pod(),), lost=SILENT), "Pending", "Waiting", None, id="it never got there"
        ),
    ],
)
def test_what_is_known_of_a_lost_node_is_said(found: Found, phase: str, reason: str, stop: str | None) -> None:
    status = decide(found, now=NOW).status
    assert status is not None
    running = next(each for each in status.conditions or [] if each.type == "Running")
    assert (status.phase, running.reason, status.last_stop and status.last_stop.reason) == (phase, reason, stop)


def test_why_it_ended_is_told_before_the_incarnation_is_given_up_and_then_stays() -> None:
    found = _on_n1(lost=FENCED)
    decision = decide(found, now=NOW)
    assert decision.first
    assert decision.status is not None
    told = replace(found, machine=replace(found.machine, status=decision.status), domains=(LEFT,))
    later = decide(told, now="2026-11-21T13:00:00Z")
    assert (later.first, later.status and later.status.last_stop) == (False, decision.status.last_stop)


def test_what_a_later_incarnation_says_of_its_end_counts() -> None:
    stop = {"reason": "GuestCrashed", "time": NOW}
    later = make_domain(status={"lastStop": stop}, epoch=2, nodeName="n2")
    status = decide(_on_n1(domains=(LEFT, later), anchors=(make_pod(2, node="n2"),), lost=FENCED), now=NOW).status
    assert status is not None
    assert status.last_stop is not None
    assert status.last_stop.reason == "GuestCrashed"


# --- deleting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "lost", "words", "blocked"),
    [
        pytest.param(make_domain(), SILENT, ["Delete Domain"], True, id="silent"),
        pytest.param(make_domain(GOING), SILENT, [], True, id="silent, told"),
        pytest.param(make_domain(GOING), FENCED, [], True, id="off"),
        pytest.param(make_domain(GOING), GONE, ["LetGo"], False, id="gone"),
        pytest.param(make_domain(GOING, nodeUID="uid-n1"), MADE_ANEW, [], True, id="made anew"),
        pytest.param(make_domain(GOING | {"finalizers": ()}), GONE, [], False, id="gone and let go"),
    ],
)
def test_a_delete_waits_for_the_node_until_it_is_gone(domain: Any, lost: Any, words: list[str], blocked: bool) -> None:  # noqa: FBT001
    decision = decide(make_found(make_machine(GOING), domains=(domain,), anchors=(make_pod(),), lost=lost), now=NOW)
    assert [_word(each) for stage in decision.stages for each in stage] == words
    assert decision.status is not None
    said = [each.message for each in decision.status.conditions or [] if each.type == "DeletionBlocked"]
    assert [names.domain("web", 1) in each and "kubectl delete node n1" in each for each in said] == [True] * blocked


def test_an_order_to_clean_up_is_not_given_time_again() -> None:
    hurried = make_domain(GOING, status=LIVE, terminationGracePeriodSeconds=0)
    latest = make_domain(GOING, epoch=2, nodeName="n2")
    found = make_found(make_machine(GOING), domains=(hurried, latest))
    assert _words(found) == []
