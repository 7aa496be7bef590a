"""Nodes that give no sign of life: whether their power is known to be off, so that their guests may start elsewhere.

Silence alone says nothing: the guests may run on behind a cut cable. Somebody must say that the node is off, by one
of three marks: our annotation with the boot that ended, the out-of-service taint, or the removal of the Node object.
A mark counts only while the node is silent, for the boot it was set for, and is void as soon as its agent was heard.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from drover.state.clusternode import Node

FENCED = "drover.dev/fenced"
"""Annotation on a Node: the boot, by its id, of which somebody says that it has ended."""
TAINTED = "drover.dev/out-of-service"
"""Annotation on a Node with the out-of-service taint: the boot that the taint is about, or that it is void."""
VOID = "void"


@dataclass(frozen=True, slots=True)
class Lost:
    """What is said of a node that gives no sign of life."""

    uid: str
    """uid of its Node object, empty when there is none."""
    fenced: bool
    """Whether somebody says that it is off."""
    rebooted: bool = False
    """Whether its kubelet tells of a later boot than its agent."""


def lost(node: Node | None, boot_id: str) -> Lost:
    """Read the marks of a silent node; `boot_id` is the boot that its agent told of last."""
    if node is None:
        return Lost("", fenced=True)
    about = {_note(node, FENCED), _note(node, TAINTED) if node.out_of_service else ""}
    rebooted = bool(node.boot_id and boot_id) and node.boot_id != boot_id
    return Lost(node.meta.uid, fenced=bool(boot_id) and boot_id in about, rebooted=rebooted)


def is_gone(found: Lost | None) -> bool:
    """Tell whether no Node object of its name is there: whoever had it does not come back to clean up."""
    return found is not None and not found.uid


def is_off(found: Lost | None, uid: str | None) -> bool:
    """Tell whether a guest that was on the node cannot be on; `uid` is the Node object it was started on.

    A Node that was made anew under the name may be the same machine, still on: unless it has booted since.
    """
    if found is None:
        return False
    return found.fenced or (bool(uid) and uid != found.uid and found.rebooted)


def is_marked(node: Node) -> bool:
    """Tell whether a Node has any mark."""
    return node.out_of_service or bool(_note(node, FENCED) or _note(node, TAINTED))


def noted(node: Node, boot_id: str, *, silent: bool, anew: bool = False) -> Mapping[str, str | None]:
    """Annotations to set on a Node with the taint, or without it any more: what the taint is about.

    `anew`: the taint is another one than the note is about, for there was none in between.
    """
    if anew or not node.out_of_service:
        return {TAINTED: None} if _note(node, TAINTED) else {}
    return {TAINTED: boot_id} if silent and boot_id and not _note(node, TAINTED) else {}


def voided(node: Node) -> Mapping[str, str | None]:
    """Annotations by which the marks of a node become void once its agent was heard: empty when none is in force."""
    fenced: dict[str, str | None] = {FENCED: None} if _note(node, FENCED) else {}
    tainted = node.out_of_service and _note(node, TAINTED) != VOID
    return fenced | ({TAINTED: VOID} if tainted else {})


def _note(node: Node, name: str) -> str:
    return dict(node.meta.annotations).get(name, "")
