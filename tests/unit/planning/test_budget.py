"""The disruption budget of a machine that must not be evicted: exactly while it is on, and never beside another."""

from typing import Any

import pytest
from tests.support.machines import (
    FENCED,
    NOW,
    UID,
    make_domain,
    make_found,
    make_machine,
    make_meta,
    make_off,
    make_pod,
    notes,
)

from drover.api import kinds
from drover.planning.budget import covers
from drover.planning.found import Found
from drover.planning.virtualmachine import decide
from drover.state.budget import Budget, Requirement, read_budget

LABELS = {"drover.dev/virtualmachine": "web", "app": "shop"}
OURS = Budget(make_meta("web.anchor", annotations=notes(machine_uid=UID)), ())
MEANT = Budget(make_meta("mine"), (Requirement("drover.dev/virtualmachine", "In", ("web",)),))
OTHER = Budget(make_meta("mine"), (Requirement("app", "In", ("blog",)),))


def _found(machine: Any = None, **changes: Any) -> Found:
    block = machine or make_machine(evictionPolicy="Block")
    return make_found(block, **({"domains": (make_domain(),), "anchors": (make_pod(),)} | changes))


def _words(found: Found) -> list[str]:
    steps = [each for stage in decide(found, now=NOW).stages for each in stage]
    return [type(each).__name__ for each in steps if getattr(each, "kind", None) == kinds.BUDGET]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(_found(), ["Create"], id="it runs"),
        pytest.param(_found(budgets=(OTHER,)), ["Create"], id="others have theirs"),
        pytest.param(_found(budgets=(OURS,)), [], id="it is there"),
        pytest.param(_found(make_machine()), [], id="it may be stopped"),
        pytest.param(_found(make_machine(), budgets=(OURS,)), ["Delete"], id="the policy was changed"),
        pytest.param(_found(budgets=(MEANT,)), [], id="somebody's budget means it"),
        pytest.param(_found(budgets=(OURS, MEANT)), ["Delete"], id="somebody's budget came"),
        pytest.param(_found(domains=(), anchors=(make_pod(),), closing=True), [], id="it never ran"),
        pytest.param(
            _found(make_machine(evictionPolicy="Block", powerState="Stopped"), domains=(make_off(),), budgets=(OURS,)),
            ["Delete"],
            id="it is off",
        ),
        pytest.param(
            _found(make_machine(evictionPolicy="Block", powerState="Stopped"), budgets=(OURS,)),
            ["Delete"],
            id="it is to be off",
        ),
        pytest.param(_found(lost=FENCED, budgets=(OURS,)), ["Delete"], id="its node is off"),
        pytest.param(
            _found(make_machine({"deleting": NOW}, evictionPolicy="Block"), budgets=(OURS,)),
            ["Delete"],
            id="it is deleted",
        ),
        pytest.param(_found(closing=True), [], id="its namespace is"),
    ],
)
def test_a_budget_is_there_exactly_while_an_eviction_would_hurt(found: Found, words: list[str]) -> None:
    assert _words(found) == words


def test_a_budget_that_cannot_be_made_holds_up_nothing_else() -> None:
    machine = make_machine(evictionPolicy="Block", terminationGracePeriodSeconds=5)
    *before, last = decide(_found(machine), now=NOW).stages
    assert [type(each).__name__ for stage in before for each in stage] == ["UpdateSpec"]
    assert [type(each).__name__ for each in last] == ["Create"]


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        pytest.param(None, False, id="none"),
        pytest.param({}, True, id="all"),
        pytest.param({"matchLabels": {"app": "shop"}}, True, id="equal"),
        pytest.param({"matchLabels": {"app": "blog"}}, False, id="not equal"),
        pytest.param({"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop"]}]}, True, id="in"),
        pytest.param({"matchExpressions": [{"key": "x", "operator": "In", "values": ["y"]}]}, False, id="in, absent"),
        pytest.param({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["shop"]}]}, False, id="not"),
        pytest.param(
            {"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["y"]}]}, True, id="not, absent"
        ),
        pytest.param({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True, id="exists"),
        pytest.param({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False, id="does not"),
        pytest.param(
            {"matchLabels": {"app": "shop"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]},
            False,
            id="all must hold",
        ),
    ],
)
def test_a_budget_means_pods_as_the_api_server_reads_it(selector: Any, meant: bool) -> None:  # noqa: FBT001
    spec = {} if selector is None else {"selector": selector}
    assert covers(read_budget({"metadata": {"name": "mine"}, "spec": spec}), LABELS) is meant
