"""Marks on Nodes: which of them say that a silent node is off, and what becomes of them when it is heard."""

from typing import Any

import pytest
from tests.support.machines import make_meta, notes

from drover.planning.node import VOID, Lost, is_gone, is_marked, is_off, lost, noted, voided
from drover.state.clusternode import OUT_OF_SERVICE, Node, read_node

BOOT = "boot-2"
FENCED, TAINTED = "drover.dev/fenced", "drover.dev/out-of-service"


def _node(*, tainted: bool = False, boot: str = "", **annotations: str) -> Node:
    return Node(make_meta("n1", namespace="", annotations=notes(**annotations)), out_of_service=tainted, boot_id=boot)


@pytest.mark.parametrize(
    ("node", "boot", "fenced"),
    [
        pytest.param(_node(), BOOT, False, id="silence alone"),
        pytest.param(_node(fenced=BOOT), BOOT, True, id="this boot has ended"),
        pytest.param(_node(fenced="boot-1"), BOOT, False, id="another boot has"),
        pytest.param(_node(fenced=""), "", False, id="no boot is known"),
        pytest.param(_node(tainted=True), BOOT, False, id="out of service, not noted yet"),
        pytest.param(_node(tainted=True, out_of_service=BOOT), BOOT, True, id="out of service"),
        pytest.param(_node(tainted=True, out_of_service="boot-1"), BOOT, False, id="an earlier boot is"),
        pytest.param(_node(tainted=True, out_of_service=VOID), BOOT, False, id="heard in spite of it"),
        pytest.param(_node(out_of_service=BOOT), BOOT, False, id="in service again"),
        pytest.param(None, BOOT, True, id="no Node"),
    ],
)
def test_a_silent_node_is_off_when_somebody_says_so(node: Node | None, boot: str, fenced: bool) -> None:  # noqa: FBT001
    assert lost(node, boot).fenced is fenced


@pytest.mark.parametrize(
    ("kubelet", "agent", "rebooted"),
    [("", BOOT, False), (BOOT, "", False), (BOOT, BOOT, False), ("boot-3", BOOT, True)],
)
def test_a_node_has_booted_when_kubelet_and_agent_differ(kubelet: str, agent: str, rebooted: bool) -> None:  # noqa: FBT001
    assert lost(_node(boot=kubelet), agent).rebooted is rebooted


@pytest.mark.parametrize(
    ("found", "uid", "off", "gone"),
    [
        pytest.param(None, "u1", False, False, id="heard"),
        pytest.param(Lost("u1", fenced=False), "u1", False, False, id="silent"),
        pytest.param(Lost("u1", fenced=True), "u1", True, False, id="off"),
        pytest.param(Lost("u1", fenced=False, rebooted=True), "u1", False, False, id="booted, its agent missing"),
        pytest.param(Lost("", fenced=True), "u1", True, True, id="removed"),
        pytest.param(Lost("u2", fenced=False), "u1", False, False, id="registered anew, perhaps on"),
        pytest.param(Lost("u2", fenced=False, rebooted=True), "u1", True, False, id="registered anew, booted since"),
        pytest.param(Lost("u2", fenced=False, rebooted=True), None, False, False, id="whose Node was never known"),
    ],
)
def test_a_node_is_gone_when_no_node_has_its_name(found: Lost | None, uid: str | None, off: bool, gone: bool) -> None:  # noqa: FBT001
    assert (is_off(found, uid), is_gone(found)) == (off, gone)


@pytest.mark.parametrize(
    ("node", "changes"),
    [
        pytest.param(_node(), {}, id="nothing is said"),
        pytest.param(_node(fenced=BOOT), {FENCED: None}, id="annotation"),
        pytest.param(_node(fenced="boot-1"), {FENCED: None}, id="annotation of another boot"),
        pytest.param(_node(tainted=True), {TAINTED: VOID}, id="taint"),
        pytest.param(_node(tainted=True, out_of_service=BOOT), {TAINTED: VOID}, id="taint that was acted on"),
        pytest.param(_node(tainted=True, out_of_service=VOID), {}, id="taint that is void"),
    ],
)
def test_marks_are_void_once_the_node_was_heard(node: Node, changes: dict[str, Any]) -> None:
    assert voided(node) == changes


@pytest.mark.parametrize(
    ("node", "silent", "changes"),
    [
        pytest.param(_node(tainted=True), True, {TAINTED: BOOT}, id="silent"),
        pytest.param(_node(tainted=True), False, {}, id="heard"),
        pytest.param(_node(tainted=True, out_of_service="boot-1"), True, {}, id="noted before"),
        pytest.param(_node(out_of_service=VOID), True, {TAINTED: None}, id="the taint is off"),
        pytest.param(_node(fenced=BOOT), True, {}, id="another mark"),
    ],
)
def test_a_taint_is_about_the_boot_that_it_was_set_for(node: Node, silent: bool, changes: dict[str, Any]) -> None:  # noqa: FBT001
    assert noted(node, BOOT, silent=silent) == changes


@pytest.mark.parametrize("note", [BOOT, VOID])
def test_a_taint_that_was_taken_off_and_set_again_is_another_one(note: str) -> None:
    node = _node(tainted=True, out_of_service=note)
    assert noted(node, BOOT, silent=True, anew=True) == {TAINTED: None}
    assert noted(_node(tainted=True), BOOT, silent=True, anew=True) == {}


def test_a_node_is_marked_by_any_of_them() -> None:
    marked = (_node(fenced=BOOT), _node(tainted=True), _node(out_of_service=VOID), _node())
    assert [is_marked(each) for each in marked] == [True, True, True, False]


def test_the_taint_is_found_among_others() -> None:
    taints = [{"key": "else", "effect": "NoSchedule"}, {"key": OUT_OF_SERVICE, "effect": "NoExecute"}]
    told = {"nodeInfo": {"bootID": BOOT}, "conditions": [{"type": "Ready", "status": "True"}]}
    found = read_node({"metadata": {"name": "n1"}, "spec": {"taints": taints}, "status": told})
    assert (found.out_of_service, found.boot_id, found.ready) == (True, BOOT, True)
    assert not read_node({"metadata": {"name": "n1"}}).out_of_service
