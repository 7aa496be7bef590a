"""How many devices a node is said to have: as its agent tells, and nobody else's count is touched."""

from typing import Any

import pytest
from tests.support.machines import make_hypervisor

from drover.planning.nodecapacity import Count, recount
from drover.state.clusternode import Node, read_node

CARDS, VFS = "nvidia.com/GA102", "intel.com/VF"


def node(counted: str = "", capacity: dict[str, str] | None = None, bookable: dict[str, str] | None = None) -> Node:
    """A Node, with what we say that we count on it."""
    metadata = {"name": "n1", "uid": "u", "annotations": {"drover.dev/devices": counted} if counted else {}}
    own = {"cpu": "4", "hugepages-2Mi": "0", "attachable.kubernetes.io/x": "1"}
    has = own | (capacity or {})
    status = {"capacity": has, "allocatable": has if bookable is None else own | bookable}
    return read_node({"metadata": metadata, "status": status})


def device(resource: str, number: int, state: str = "Free") -> dict[str, Any]:
    """A device as an agent tells of it."""
    return {"address": f"0000:0{number}:00.0", "resource": resource, "group": number, "state": state}


TWO = [device(CARDS, 1), device(CARDS, 2, "InUse"), device(CARDS, 3, "Unusable")]


@pytest.mark.parametrize(
    ("found", "devices", "expected"),
    [
        pytest.param(node(), [], None, id="nothing offered"),
        pytest.param(node(), TWO, Count({CARDS: "2"}, CARDS), id="new"),
        pytest.param(node(CARDS, {CARDS: "2"}), TWO, None, id="as it should be"),
        pytest.param(node("", {CARDS: "2"}), TWO, Count({}, CARDS), id="the annotation was lost"),
        pytest.param(node(CARDS, {CARDS: "1"}), TWO, Count({CARDS: "2"}, CARDS), id="one more"),
        pytest.param(node(CARDS, {CARDS: "2"}, {CARDS: "0"}), TWO, Count({CARDS: "2"}, CARDS), id="not all bookable"),
        pytest.param(node(CARDS, {CARDS: "2"}, {}), TWO, Count({CARDS: "2"}, CARDS), id="none bookable"),
        pytest.param(node(CARDS, {CARDS: "0"}), TWO, Count({CARDS: "2"}, CARDS), id="a kubelet began anew"),
        pytest.param(node(CARDS, {CARDS: "2"}), [], Count({CARDS: None}, None), id="no more offered"),
        pytest.param(node(CARDS), [], Count({}, None), id="gone already"),
        pytest.param(
            node(f"{VFS} {CARDS}", {CARDS: "2", VFS: "8"}),
            [*TWO, device(VFS, 4, "Unusable")],
            Count({VFS: None}, CARDS),
            id="one resource less",
        ),
        pytest.param(node("", {CARDS: "7"}), TWO, None, id="somebody else counts it"),
        pytest.param(node(VFS, {CARDS: "7", VFS: "1"}), [*TWO, device(VFS, 4)], None, id="somebody else counts one"),
    ],
)
def test_a_node_is_counted_as_its_agent_tells(found: Node, devices: list[Any], expected: Count | None) -> None:
    assert recount(found, make_hypervisor("n1", bootID="b", devices=devices)) == expected


def test_before_an_agent_has_spoken_nothing_is_changed() -> None:
    assert recount(node(CARDS, {CARDS: "2"}), make_hypervisor("n1")) is None
