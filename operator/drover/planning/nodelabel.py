"""The label by which the scheduler finds nodes that can run machines."""

from drover.planning.anchor import LABEL_HYPERVISOR
from drover.planning.skew import judge
from drover.planning.view import HypervisorView
from drover.state.resource import Meta

OURS = frozenset({"", "true", "false"})
"""Values that are ours to change; any other is somebody's decision to keep machines off a node."""


def relabel(node: Meta, hypervisor: HypervisorView | None, *, silent: bool) -> str | None:
    """Give the value that the node's label should have, ``None`` when it has it or nobody spoke for the node yet.

    What the agent of a `silent` node said last is no reason to place a machine there.
    """
    told = dict(node.labels).get(LABEL_HYPERVISOR, "")
    conditions = (hypervisor.status.conditions or []) if hypervisor else []
    ready = next((each.status for each in conditions if each.type == "Ready"), None)
    if hypervisor is None or ready is None or told not in OURS:
        return None
    fit = ready == "True" and not silent and judge(node.key.name, hypervisor.status) is None
    wanted = "true" if fit else "false"
    return wanted if told != wanted else None
