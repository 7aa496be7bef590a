"""A Node as the cache holds it: whether it is the same object still, and what somebody says of its power."""

from dataclasses import dataclass

from drover.state.resource import Body, Meta, read_meta

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
"""Taint by which somebody says that a node is off and will stay so until it is taken away."""


@dataclass(frozen=True, slots=True)
class Node:
    """The parts of a Node that tell whether guests may be on it."""

    meta: Meta
    out_of_service: bool
    """Whether it has the taint."""
    boot_id: str = ""
    """The boot that its kubelet tells of, empty when there is none."""
    extended: tuple[tuple[str, str], ...] = ()
    """What it has of resources that Kubernetes itself does not know, by name; empty where not all may be booked."""
    ready: bool = False
    """Whether Kubernetes holds it for up: its kubelet is heard, and is well."""


def read_node(body: Body) -> Node:
    """Read a Node."""
    taints = (body.get("spec") or {}).get("taints") or ()
    told = (body.get("status") or {}).get("nodeInfo") or {}
    tainted = any(taint.get("key") == OUT_OF_SERVICE for taint in taints)
    status = body.get("status") or {}
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in status.get("conditions") or ())
    return Node(read_meta(body), tainted, told.get("bootID") or "", _extended(status), ready)


def _extended(status: Body) -> tuple[tuple[str, str], ...]:
    """Read what is there of each, and whether all of it may be booked."""
    capacity, bookable = status.get("capacity") or {}, status.get("allocatable") or {}
    names = (name for name in {*capacity, *bookable} if "/" in name and "kubernetes.io/" not in name)
    counts = ((name, capacity.get(name, ""), bookable.get(name, "")) for name in sorted(names))
    return tuple((name, str(has) if has == may else "") for name, has, may in counts)
