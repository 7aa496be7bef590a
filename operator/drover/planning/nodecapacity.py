"""How many devices of each resource a node is said to have, so that the scheduler and quotas count them."""

from collections.abc import Mapping
from dataclasses import dataclass

from drover.planning.hostdevice import counted
from drover.planning.view import HypervisorView
from drover.state.clusternode import Node

COUNTED = "devices"
"""Annotation on a Node: resources that we count there, with blanks between; what is not named is somebody else's."""


@dataclass(frozen=True, slots=True)
class Count:
    """What is to be written to a Node."""

    resources: Mapping[str, str | None]
    """How many of each; None: it is counted no more."""
    annotation: str | None
    """What we count from now on; None: nothing."""


def recount(node: Node, hypervisor: HypervisorView) -> Count | None:
    """Say what a Node should have, None when it has that or its agent never spoke.

    What the agent said last stands while it is silent: guests that run have their devices still. What somebody else
    counts there, such as a device plugin, is left to them.
    """
    if hypervisor.status.boot_id is None:
        return None
    ours, has = set(node.meta.annotation(COUNTED).split()), dict(node.extended)
    found = {name: str(count) for name, count in counted(hypervisor.status.devices or ()).items()}
    told = {name: count for name, count in found.items() if name in ours or has.get(name, "0") in {"0", count}}
    wrong = {name: count for name, count in told.items() if has.get(name) != count}
    gone = {name: None for name in ours - told.keys() if name in has}
    annotation = " ".join(sorted(told)) or None
    if not (wrong or gone) and ours == told.keys():
        return None
    return Count({**wrong, **gone}, annotation)
