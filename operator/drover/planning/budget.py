"""The disruption budget of a machine that must not be evicted: there exactly while an eviction would hurt it.

An eviction that was accepted cannot be taken back, so it must be refused; a machine that is off loses nothing by it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from drover.api.kinds import BUDGET
from drover.planning import anchor, names
from drover.planning.action import Create, Delete
from drover.planning.found import Situation
from drover.planning.ownership import ANNOTATION_MACHINE, machine_uid, reference
from drover.state.budget import Budget, Requirement
from drover.state.resource import Meta


def steps(situation: Situation) -> Iterator[Create | Delete]:
    """Make the budget, or take it away."""
    meta, found = situation.machine.meta, situation.found
    present = [each for each in found.budgets if machine_uid(each.meta) == meta.uid]
    wanted = is_needed(situation) and not _is_covered(situation)
    if wanted and not present and not found.closing:
        yield Create(BUDGET, meta.uid, body(meta))
    if not wanted:
        yield from (Delete(BUDGET, each.meta) for each in present if not each.meta.deleting)


def is_needed(situation: Situation) -> bool:
    """Tell whether an eviction would find a guest that may be neither stopped nor moved."""
    domain = situation.domain
    blocks = situation.effective.eviction == "Block" and not situation.machine.meta.deleting
    return blocks and domain is not None and situation.wants and not situation.down


def _is_covered(situation: Situation) -> bool:
    """Tell whether a budget of somebody else means the anchor: with two, the API server refuses to evict at all."""
    meta, pod = situation.machine.meta, situation.anchor
    labels = dict(pod.meta.labels) if pod else anchor.labels(meta)
    others = (each for each in situation.found.budgets if machine_uid(each.meta) != meta.uid)
    return any(covers(each, labels) for each in others)


def covers(budget: Budget, labels: Mapping[str, str]) -> bool:
    """Tell whether a budget means pods with these labels."""
    return budget.requirements is not None and all(_holds(each, labels) for each in budget.requirements)


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.label)
    if requirement.operator in {"Exists", "DoesNotExist"}:
        return (value is not None) is (requirement.operator == "Exists")
    return (value in requirement.values) is (requirement.operator == "In")


def body(machine: Meta) -> Mapping[str, Any]:
    """Build the budget."""
    selector = {names.LABEL_MACHINE: machine.key.name, anchor.LABEL_ANCHOR: "true"}
    return {
        "metadata": {
            "name": names.budget(machine.key.name),
            "namespace": machine.key.namespace,
            "labels": {names.LABEL_MACHINE: machine.key.name},
            "annotations": {ANNOTATION_MACHINE: machine.uid},
            "ownerReferences": [reference(machine)],
        },
        "spec": {"minAvailable": 1, "selector": {"matchLabels": selector}},
    }
