"""An anchor pod as the cache holds it: where it is bound, what the scheduler says, whether it is being taken away."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drover.state.resource import Body, Meta, read_meta


@dataclass(frozen=True, slots=True)
class Pod:
    """The parts of a pod that tell whether it holds a place on a node."""

    meta: Meta
    node: str
    """Node it is bound to, empty before."""
    phase: str
    scheduled: str
    """Status of PodScheduled, empty before the scheduler has looked at it."""
    reason: str
    """Reason of PodScheduled."""
    message: str
    """The scheduler's words."""
    scheduled_at: str
    """When PodScheduled last changed."""
    grace: int | None
    """Seconds between its deletion and its end, while it is being deleted."""

    @property
    def ended(self) -> bool:
        """Whether the scheduler has given its place away: it does so as soon as the phase is terminal."""
        return self.phase in {"Failed", "Succeeded"}


def read_pod(body: Body) -> Pod:
    """Read a pod."""
    status: Mapping[str, Any] = body.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled", {})
    return Pod(
        meta=read_meta(body),
        node=body.get("spec", {}).get("nodeName", ""),
        phase=status.get("phase", "Pending"),
        scheduled=scheduled.get("status", ""),
        reason=scheduled.get("reason") or "",
        message=scheduled.get("message") or "",
        scheduled_at=scheduled.get("lastTransitionTime") or "",
        grace=body["metadata"].get("deletionGracePeriodSeconds"),
    )
