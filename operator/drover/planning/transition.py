"""What is worth an Event: a machine's passing from one state to another, never a state that lasts."""

from collections.abc import Iterator
from dataclasses import dataclass

from drover.api.base import Condition
from drover.api.virtualmachine import VirtualMachineStatus
from drover.planning.conditions import find

POSITIVE = {"Scheduled": "Scheduled", "Running": "Started", "Ready": "Ready"}
"""Reason of the Event when a condition becomes True."""
NEGATIVE = ("Accepted", "Scheduled", "VolumesReady", "NetworkReady")
"""Conditions whose failures are told; the others say why in `lastStop`."""
PASSING = frozenset({"Waiting", "NotNeeded", "Stopped", "NodeLost", "NodeFenced"})
"""Reasons that tell of no failure."""

PROGRESS = frozenset({"Fetching", "Preparing", "Copying", "Encrypting"})
"""Reasons that tell what is being done: a start goes through them, and nobody has to act."""

LOST = frozenset({"NodeLost", "NodeFenced"})


@dataclass(frozen=True, slots=True)
class News:
    """One Event."""

    reason: str
    message: str
    warning: bool = False


def news(before: VirtualMachineStatus, after: VirtualMachineStatus) -> Iterator[News]:
    """Tell what has happened between two statuses of a machine."""
    yield from _stopped(before, after)
    for condition in after.conditions or []:
        known = find(before.conditions, condition.type)
        yield from _changed(known, condition)


def _changed(before: Condition | None, after: Condition) -> Iterator[News]:
    became = before is None or before.status != after.status
    if after.status == "True" and became and after.type in POSITIVE:
        yield News(POSITIVE[after.type], after.message or f"the machine is {POSITIVE[after.type].lower()}")
    failing = after.status == "False" and after.reason not in PASSING and after.type in NEGATIVE
    if failing and (became or (before and before.reason != after.reason)):
        yield News(after.reason, f"{after.type}: {after.message}", warning=after.reason not in PROGRESS)
    if after.reason in LOST and after.type == "Running" and (before is None or before.reason != after.reason):
        yield News(after.reason, after.message, warning=True)


def _stopped(before: VirtualMachineStatus, after: VirtualMachineStatus) -> Iterator[News]:
    stop = after.last_stop
    if stop is None or stop == before.last_stop:
        return
    by = f" by {stop.actor}" if stop.actor else ""
    detail = f": {stop.detail}" if stop.detail else ""
    yield News("Stopped", f"{stop.reason}{by}{detail}", warning=stop.reason not in {"Requested", "GuestShutdown"})
