"""The anchor pod: what it books, where it may go, and what the scheduler says of it."""

from typing import Any

import pytest
from tests.support.machines import POLICY, make_catalog, make_machine, make_pod

from drover.planning.anchor import Placement, affinity, body, cut, free_number, holds, number, scheduled, usable
from drover.planning.resolve import resolve
from drover.state.pod import Pod

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
HYPERVISOR = {"key": "drover.dev/hypervisor", "operator": "In", "values": ["true"]}
WORDS = "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes."


def _build(meta: dict[str, Any] | None = None, **spec: Any) -> Any:
    machine = make_machine(meta, **spec)
    effective = resolve("web", machine.spec, make_catalog(), POLICY)
    return body(machine.meta, machine.spec, effective, 3, Placement(), POLICY)


def test_it_books_memory_in_full_with_overhead_and_cpu_as_asked() -> None:
    pod = _build(cpu={"cores": 2, "request": "150m"}, memory={"size": "1Gi"})
    booked = str((1 << 30) + (64 << 20) + (16 << 20) + (16 << 20))
    resources = pod["spec"]["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "150m", "memory": booked}, "limits": {"memory": booked}}


def test_it_belongs_to_its_machine_and_is_held_until_released() -> None:
    meta = _build(meta={"labels": (("app", "web"), ("drover.dev/anchor", "false"))})["metadata"]
    assert (meta["name"], meta["finalizers"]) == ("web.anchor.3", ["drover.dev/anchor"])
    assert meta["labels"] == {"app": "web", "drover.dev/virtualmachine": "web", "drover.dev/anchor": "true"}
    assert (meta["ownerReferences"][0]["controller"], meta["annotations"]["drover.dev/machine-uid"]) == (
        True,
        "uid-web",
    )


def test_it_passes_the_restricted_pod_level_and_outlasts_a_slow_stop() -> None:
    spec = _build()["spec"]
    container = spec["containers"][0]["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert (container["allowPrivilegeEscalation"], container["capabilities"]) == (False, {"drop": ["ALL"]})
    assert (spec["terminationGracePeriodSeconds"], spec["automountServiceAccountToken"]) == (120, False)


def test_the_scheduling_fields_go_onto_it_as_they_are() -> None:
    fields: dict[str, Any] = {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "priorityClassName": "high",
    }
    spec = _build(**fields)["spec"]
    assert {name: spec[name] for name in fields if name != "tolerations"} == {
        name: value for name, value in fields.items() if name != "tolerations"
    }
    assert [each["key"] for each in spec["tolerations"]] == [
        "gpu",
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]
    assert not any("tolerationSeconds" in each for each in spec["tolerations"])


def test_what_the_machine_needs_narrows_every_one_of_its_own_terms() -> None:
    own = {
        "nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a"}]}, {}]}},
        "podAffinity": {},
    }
    found = affinity(own, Placement(pins=("n1",), selector=(("zone", "b"),)))
    needed = [
        {"key": "zone", "operator": "In", "values": ["b"]},
        {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]},
    ]
    assert [term["matchExpressions"] for term in found["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]] == [
        [{"key": "a"}, *needed],
        needed,
    ]
    assert found["podAffinity"] == {}


def test_the_node_it_was_on_is_preferred() -> None:
    found = affinity({"nodeAffinity": {PREFERRED: [{"weight": 1}]}}, Placement(preferred="n2"))
    assert [each["weight"] for each in found["nodeAffinity"][PREFERRED]] == [1, 100]
    assert PREFERRED not in affinity({}, Placement())["nodeAffinity"]


@pytest.mark.parametrize(
    ("pod", "held"),
    [
        pytest.param(make_pod(), True, id="bound"),
        pytest.param(make_pod(node=""), False, id="not bound"),
        pytest.param(make_pod(node="n2"), False, id="bound elsewhere"),
        pytest.param(make_pod(meta={"deleting": "now"}), False, id="being taken away"),
        pytest.param(make_pod(phase="Failed"), False, id="failed: the scheduler has given the place away"),
        pytest.param(make_pod(phase="Succeeded"), False, id="succeeded"),
    ],
)
def test_a_place_is_held_by_a_bound_pod_that_lives(pod: Pod, *, held: bool) -> None:
    assert holds(pod, "n1") is held


def test_of_several_anchors_the_one_on_the_node_is_best_then_bound_ones_then_the_first() -> None:
    pods = [make_pod(4, ""), make_pod(3, "n2"), make_pod(2, "n1"), make_pod(5, "n1", phase="Failed"), make_pod(1, "n2")]
    assert [number(pod.meta) for pod in usable(pods, "n1")] == [2, 1, 3, 4]
    assert [number(pod.meta) for pod in usable(pods, "")] == [1, 2, 3, 4]


def test_the_next_anchor_has_a_number_that_no_other_has() -> None:
    assert (free_number([]), free_number([make_pod(7), make_pod(2)])) == (1, 8)
    assert free_number([make_pod(meta={"key": make_machine().meta.key})]) == 1


@pytest.mark.parametrize(
    ("pod", "lost", "status", "reason", "message"),
    [
        pytest.param(make_pod(), False, "True", "Scheduled", "on n1", id="bound"),
        pytest.param(None, False, "False", "Waiting", "no place is booked yet", id="none"),
        pytest.param(make_pod(node=""), False, "False", "Waiting", "waits for the scheduler", id="new"),
        pytest.param(
            make_pod(node="", scheduled="False", reason="Unschedulable", message=WORDS),
            False,
            "False",
            "Unschedulable",
            "0/3 nodes are available: 3 Insufficient cpu.",
            id="nothing fits",
        ),
        pytest.param(
            make_pod(node="", scheduled="False"), False, "False", "Unschedulable", "", id="refused without words"
        ),
        pytest.param(
            None, True, "False", "ReservationLost", "its place on the node is being booked anew", id="lost its place"
        ),
        pytest.param(
            make_pod(node="", scheduled="False", message="taken."),
            True,
            "False",
            "ReservationLost",
            "taken.",
            id="lost, words",
        ),
    ],
)
def test_scheduled_tells_the_truth_in_the_schedulers_words(
    pod: Pod | None, status: str, reason: str, message: str, *, lost: bool
) -> None:
    found = scheduled(pod, lost=lost)
    assert (found.status, found.reason, found.message) == (status, reason, message)


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (WORDS, "0/3 nodes are available: 3 Insufficient cpu."),
        ("a, preemption: b", "a."),
        ("plain", "plain."),
        ("", ""),
        (". no new claims to deallocate", ""),
    ],
)
def test_what_tells_a_user_nothing_is_cut(message: str, kept: str) -> None:
    assert cut(message) == kept


def test_a_machine_that_is_pinned_gets_its_place_back_whatever_the_agent_there_can_do_now() -> None:
    (free,) = affinity({}, Placement())["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    (pinned,) = affinity({}, Placement(pins=("n1",)))["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]

    assert (HYPERVISOR in free["matchExpressions"], HYPERVISOR in pinned["matchExpressions"]) == (True, False)
