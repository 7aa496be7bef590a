"""Security groups: members are told, references that make no sense are named, and what they name meets nobody."""

from typing import Any

import pytest
from tests.support.machines import NOW, make_group

from drover.planning.conditions import find
from drover.planning.securitygroup import MEMBERS, named, status, way
from drover.planning.view import SecurityGroupView


def _from(name: str, *others: str, **more: Any) -> SecurityGroupView:
    return make_group(name, rules=[{"name": "r", "from": {"securityGroups": list(others)}}], **more)


def _groups(*groups: SecurityGroupView) -> dict[str, SecurityGroupView]:
    return {each.meta.key.name: each for each in groups}


def test_members_are_told_in_order_and_once() -> None:
    group = make_group("web")
    found = status(group, _groups(group), ["fd00::2", "10.20.0.10", "10.20.0.9", "10.20.0.9"], now=NOW)
    assert found.members == ["10.20.0.9", "10.20.0.10", "fd00::2"]


def test_members_beyond_the_bound_are_left_out_and_that_is_said() -> None:
    group, many = make_group("web"), [f"10.20.{n // 256}.{n % 256}" for n in range(MEMBERS + 1)]
    found = status(group, _groups(group), many, now=NOW)
    ready = find(found.conditions, "Ready")
    assert len(found.members or ()) == MEMBERS
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "TooManyMembers")


@pytest.mark.parametrize(
    ("others", "reason", "said"),
    [
        pytest.param([make_group("web")], "Accepted", "", id="names nobody"),
        pytest.param([_from("web", "lb"), make_group("lb")], "Accepted", "", id="names another"),
        pytest.param([_from("web", "lb")], "SecurityGroupNotFound", "no SecurityGroup lb", id="names one that is not"),
        pytest.param(
            [_from("web", "lb"), _from("lb", "db", "gone"), _from("db", "web")],
            "ReferenceLoop",
            "web → lb → db → web",
            id="is led back to",
        ),
        pytest.param([_from("web", "lb"), _from("lb", "db"), _from("db", "lb")], "Accepted", "", id="leads to a loop"),
    ],
)
def test_references_that_make_no_sense_are_named(others: list[SecurityGroupView], reason: str, said: str) -> None:
    found = find(status(others[0], _groups(*others), [], now=NOW).conditions, "Accepted")
    assert found is not None
    assert (found.reason, said in found.message) == (reason, True)


def test_a_way_is_the_shortest() -> None:
    groups = _groups(_from("a", "b", "c"), _from("b", "c"), _from("c", "d"), make_group("d"))
    assert (way("a", "d", groups), way("d", "a", groups)) == (("a", "c", "d"), ())


def test_a_group_names_others_in_both_directions() -> None:
    rules = [
        {"name": "in", "from": {"securityGroups": ["a"]}},
        {"name": "out", "direction": "Egress", "to": {"securityGroups": ["b"]}},
        {"name": "all"},
    ]
    assert named(make_group("web", rules=rules).spec) == {"a", "b"}
