"""What the agent says of one Domain: the guest as it is, and how far its preparations are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from drover.api.domain import DomainStatus, Lack, Obstacle, VolumeFact
from drover.errors import OperatorError
from drover.planning.conditions import Finding, Status, find, stamp
from drover.planning.domain_seen import Decision
from drover.planning.times import stamp as time_stamp
from drover.planning.view import DomainView
from drover.state.guest import Guest, Record

IN_FLIGHT = frozenset({"Running", "Paused", "Stopping"})
"""States in which QEMU runs."""
OBSTACLES = 64
"""So many are told."""
RUNNING: Mapping[str, Status] = {"Running": "True", "Unknown": "Unknown"}
"""What the state says of the condition Running; any other says False."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a step ran into, and the condition that tells of it."""

    concern: str
    reason: str
    message: str
    change: str = ""
    """Path in the machine's spec of what the step was to change of a guest in flight."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on the way, beside the guest itself."""

    guest: Guest | None
    boot_id: str
    now: datetime
    volumes: Mapping[str, VolumeFact] = field(default_factory=dict)
    """By name of the StorageVolume: those that were looked at."""
    troubles: Sequence[Trouble] = ()
    """All that the steps ran into."""
    ready: bool | None = None
    """What the readiness probe says of a running guest; None while it has not said anything, or there is none."""
    unready: str = ""
    """What made it say that the guest is not ready."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """What the node lacks for the next start of a guest in flight, by path in the machine's spec."""


def trouble(concern: str, error: OperatorError, change: str = "") -> Trouble:
    """Put expected trouble into words for a condition."""
    return Trouble(concern, error.reason, str(error)[:4000], change)


def describe(order: DomainView, decision: Decision, facts: Facts) -> DomainStatus:
    """Put everything that is known into a status; equal facts give an equal status."""
    before, record = order.status, _record(facts.guest)
    state, reason, message = _headline(decision, facts.troubles)
    now = time_stamp(facts.now)
    volumes = _volumes(order, facts.volumes)
    findings = _findings(order, decision, facts, volumes)
    return DomainStatus(
        observed_generation=order.meta.generation,
        state=state,
        reason=reason,
        message=message or None,
        since=before.since if before.state == state and before.since else now,
        conditions=stamp(findings, before.conditions or (), now=now, generation=order.meta.generation),
        live=record.live if record else None,
        lacking=[Lack(path=path, message=words) for path, words in sorted(facts.lacks.items())] or None,
        obstacles=_obstacles(facts.troubles) or None,
        machine_type=(record.machine_type if record else "") or before.machine_type,
        architecture=(record.architecture if record else "") or before.architecture,
        volumes=list(volumes.values()) or None,
        restarts=record.restarts if record else before.restarts,
        next_restart=record.next_restart if record else None,
        last_stop=record.last_stop if record else before.last_stop,
        handled_restart=record.handled_restart if record else before.handled_restart,
        handled_start=record.handled_start if record else before.handled_start,
        boot_id=facts.boot_id,
        timeline=(record.timeline if record else None) or before.timeline,
    )


def unseen(order: DomainView, reason: str, why: str, *, now: datetime) -> DomainStatus:
    """Say that the guest cannot be seen; what was known of its making stays."""
    before, moment = order.status, time_stamp(now)
    kept = [each for each in before.conditions or () if each.type in {"VolumesReady", "NetworkReady"}]
    findings = (
        *(Finding(each.type, each.status, each.reason, each.message) for each in kept),
        Finding("Running", "Unknown", reason, why),
        Finding("GuestReady", "Unknown", reason, why),
    )
    update = {
        "state": "Unknown",
        "reason": reason,
        "message": why,
        "since": before.since if before.state == "Unknown" else moment,
        "conditions": stamp(findings, before.conditions or (), now=moment, generation=order.meta.generation),
    }
    return before.model_copy(update=update)


def is_ready(order: DomainView, decision: Decision, facts: Facts) -> bool:
    """Whether the guest serves, as far as its probe, or its running where it has none, can tell."""
    return _guest_ready(order, decision, facts).status == "True"


def _record(guest: Guest | None) -> Record | None:
    return guest.record if guest else None


def _obstacles(found: Sequence[Trouble]) -> list[Obstacle]:
    changes = {each.change: each.message for each in found if each.change}
    return [Obstacle(path=path, message=words) for path, words in sorted(changes.items())][:OBSTACLES]


def _headline(decision: Decision, found: Sequence[Trouble]) -> tuple[str, str, str]:
    if not found:
        return decision.state, decision.reason, decision.message
    return decision.state, found[0].reason, found[0].message


def _volumes(order: DomainView, looked_at: Mapping[str, VolumeFact]) -> dict[str, VolumeFact]:
    known = {fact.name: fact for fact in order.status.volumes or ()} | dict(looked_at)
    return {disk.volume: known[disk.volume] for disk in order.spec.disks if disk.volume in known}


def _findings(
    order: DomainView, decision: Decision, facts: Facts, volumes: Mapping[str, VolumeFact]
) -> tuple[Finding, ...]:
    return (
        _volumes_ready(order, decision, facts, volumes),
        _network_ready(order, decision, facts),
        _running(decision, facts),
        _guest_ready(order, decision, facts),
    )


def _told(concern: str, found: Sequence[Trouble], status: Status = "False") -> Finding | None:
    those = [each for each in found if each.concern == concern]
    if not those:
        return None
    return Finding(concern, status, those[0].reason, "; ".join(each.message for each in those))


def _volumes_ready(order: DomainView, decision: Decision, facts: Facts, volumes: Mapping[str, VolumeFact]) -> Finding:
    if told := _told("VolumesReady", facts.troubles):
        return told
    missing = [disk.volume for disk in order.spec.disks if not _is_there(volumes.get(disk.volume))]
    if not missing:
        return Finding("VolumesReady", "True", "Ready")
    if decision.state in {"Stopped", "Hibernated"}:
        return Finding("VolumesReady", "Unknown", "MadeAtStart", f"made at the next start: {', '.join(missing)}")
    return Finding("VolumesReady", "False", "Preparing", f"not made yet: {', '.join(missing)}")


def _is_there(fact: VolumeFact | None) -> bool:
    return fact is not None and fact.ready


def _network_ready(order: DomainView, decision: Decision, facts: Facts) -> Finding:
    if told := _told("NetworkReady", facts.troubles):
        return told
    if not order.spec.interfaces or decision.state in IN_FLIGHT or _network_known(order):
        return Finding("NetworkReady", "True", "Ready")
    if decision.state in {"Stopped", "Hibernated"}:
        return Finding("NetworkReady", "Unknown", "MadeAtStart", "its networks are looked at when it starts")
    return Finding("NetworkReady", "False", "Preparing", "its networks are not up yet")


def _network_known(order: DomainView) -> bool:
    before = find(order.status.conditions, "NetworkReady")
    return before is not None and before.status == "True"


def _running(decision: Decision, facts: Facts) -> Finding:
    status = RUNNING.get(decision.state, "False")
    told = _told("Running", facts.troubles, status)
    return told or Finding("Running", status, decision.reason, decision.message)


def _guest_ready(order: DomainView, decision: Decision, facts: Facts) -> Finding:
    if decision.state != "Running":
        return Finding("GuestReady", "False", "NotRunning", f"the guest is {decision.state}")
    if facts.guest is not None and facts.guest.reason == "Saving":
        return Finding("GuestReady", "False", "Saving", "it stands still while its memory is being saved")
    if order.spec.readiness_probe is None:
        return Finding("GuestReady", "True", "Running")
    if facts.ready is None:
        return _not_asked_yet(_record(facts.guest))
    if facts.ready:
        return Finding("GuestReady", "True", "ProbeSucceeded")
    return Finding(
        "GuestReady", "False", "ProbeFailed", f"the readiness probe fails: {facts.unready or 'no success yet'}"
    )


def _not_asked_yet(record: Record | None) -> Finding:
    if record is not None and record.timeline is not None and record.timeline.ready is not None:
        # The agent was restarted: a guest that was ready counts as ready until its probe has failed often enough.
        return Finding("GuestReady", "True", "ProbeSucceeded")
    return Finding("GuestReady", "False", "ProbePending", "the readiness probe has not succeeded yet")
