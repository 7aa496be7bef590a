"""Conditions: findings in a fixed order, their transition times kept, summed up in Ready."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from drover.api.base import Condition

Status = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation before it has a time."""

    type: str
    status: Status
    reason: str
    message: str = ""


def stamp(findings: Iterable[Finding], before: Sequence[Condition], *, now: str, generation: int) -> list[Condition]:
    """Turn findings into conditions; a transition time moves only when the status does."""
    known = {condition.type: condition for condition in before}
    return [_stamped(finding, known.get(finding.type), now, generation) for finding in findings]


def summary(findings: Sequence[Finding], *, waiting: str = "Waiting") -> Finding:
    """Sum findings up in Ready: the first that is not True blocks, False before Unknown, and the message names it."""
    blocking = [finding for finding in findings if finding.status == "False"]
    blocking += [finding for finding in findings if finding.status == "Unknown"]
    if not blocking:
        return Finding("Ready", "True", "AsSpecified")
    first = blocking[0]
    return Finding("Ready", first.status, first.reason or waiting, f"{first.type}: {first.message or first.reason}")


def find(conditions: Sequence[Condition] | None, kind: str) -> Condition | None:
    """The condition of type `kind`, if it is there."""
    return next((condition for condition in conditions or () if condition.type == kind), None)


def _stamped(finding: Finding, before: Condition | None, now: str, generation: int) -> Condition:
    same = before is not None and before.status == finding.status
    return Condition(
        type=finding.type,
        status=finding.status,
        reason=finding.reason,
        message=finding.message[:32768],
        last_transition_time=before.last_transition_time if same and before else now,
        observed_generation=generation,
    )
