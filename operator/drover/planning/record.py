"""How the record that libvirt keeps with a guest changes: one function for each thing that happens to the guest.

A record is in one of three phases: *off* (`live` is empty), *attempted* (a start was written down with the definition
that it starts; nobody has seen QEMU yet), *confirmed* (`timeline.started` is set).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from drover.api.domain import DomainSpec, DomainStatus, DomainTimeline, LiveMachine
from drover.api.virtualmachine import LastStop
from drover.planning import live
from drover.planning.restart import BackOff, by_itself, restarts
from drover.planning.times import micro, stamp
from drover.state.guest import Record, Stopping

Cause = Literal["Wish", "Request", "Policy"]
"""Why a guest is started: the spec, a request by annotation, or the restart policy."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When and in which boot something happens."""

    now: datetime
    boot_id: str


def fresh(namespace: str, name: str, spec: DomainSpec) -> Record:
    """Begin the record of a guest that was never started."""
    machine = spec.virtual_machine
    return Record(namespace=namespace, machine=machine.name, uid=machine.uid, domain=name, epoch=spec.epoch)


def ordered(record: Record, name: str, spec: DomainSpec) -> Record:
    """Note which Domain speaks for the guest, and whose it is: a later incarnation, or an heir, takes it over."""
    return replace(record, domain=name, epoch=spec.epoch, uid=spec.virtual_machine.uid)


def recovered(blank: Record, status: DomainStatus) -> Record:
    """Rebuild the record of a guest that libvirt has forgotten from what was last reported."""
    in_flight = status.live is not None and status.state in {"Running", "Paused", "Stopping", "Hibernated"}
    return replace(
        blank,
        boot_id=status.boot_id or "",
        handled_restart=status.handled_restart,
        handled_start=status.handled_start,
        restarts=status.restarts or 0,
        failures=1 if status.next_restart else 0,
        next_restart=status.next_restart,
        resting=status.state == "Stopped" and status.reason == "RestartPolicy",
        last_stop=status.last_stop,
        machine_type=status.machine_type or "",
        architecture=status.architecture or "",
        live=status.live if in_flight else None,
        timeline=status.timeline if in_flight else None,
    )


def attempted(record: Record, spec: DomainSpec, moment: Moment, cause: Cause) -> Record:
    """Write down a start, and with it the requests that it answers, before it happens."""
    return replace(
        record,
        boot_id=moment.boot_id,
        handled_restart=spec.restarted_at,
        handled_start=spec.started_at,
        restarts=record.restarts + (cause == "Policy"),
        failures=record.failures if cause == "Policy" else 0,
        last_start=stamp(moment.now),
        next_restart=None,
        resting=False,
        stopping=None,
        live=live.machine(spec),
        timeline=DomainTimeline(prepared=micro(moment.now)),
        panicked=False,
        problem="",
    )


def confirmed(record: Record, spec: DomainSpec, moment: Moment, *, ready: bool) -> Record:
    """Write down that QEMU runs, be it by our start or by somebody's; `ready`: nothing more is asked of the guest."""
    known = record.live is not None and record.boot_id == moment.boot_id
    before = record.timeline if known else None
    started = micro(moment.now)
    return replace(
        record,
        boot_id=moment.boot_id,
        last_start=record.last_start if known else stamp(moment.now),
        next_restart=None,
        resting=False,
        live=record.live or live.machine(spec),
        timeline=DomainTimeline(
            prepared=before.prepared if before else None, started=started, ready=started if ready else None
        ),
        problem="",
    )


def is_confirmed(record: Record) -> bool:
    """Whether QEMU was seen since the latest start."""
    return record.live is not None and record.timeline is not None and record.timeline.started is not None


def served(record: Record, now: datetime) -> Record:
    """Write down that the guest was ready for the first time since its start."""
    timeline = record.timeline or DomainTimeline()
    return replace(record, timeline=timeline.model_copy(update={"ready": micro(now)}))


def changed(record: Record, present: LiveMachine | None) -> Record:
    """Write down what the machine in flight was given or lost."""
    return replace(record, live=present)


def begun_to_stop(record: Record, spec: DomainSpec, now: datetime) -> Record:
    """Write down a stop before the guest is asked."""
    evicted = spec.power_state == "Stopped" and spec.stop_reason == "Evicted"
    reason: Literal["Evicted", "Requested"] = "Evicted" if evicted else "Requested"
    return replace(record, stopping=Stopping(reason, spec.actor, micro(now)))


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides whether and when a guest that stopped by itself is started again."""

    spec: DomainSpec
    back_off: BackOff
    ran_for: float
    """Seconds of the run that ended."""
    now: datetime


def ended(record: Record, stop: LastStop, terms: Terms) -> Record:
    """Write down that the guest is off and what its restart policy makes of it."""
    off = replace(record, live=None, timeline=None, stopping=None, last_stop=stop, panicked=False, problem="")
    if not by_itself(stop):
        return replace(off, failures=0, next_restart=None, resting=False)
    if not restarts(terms.spec.restart_policy, stop):
        return replace(off, failures=0, next_restart=None, resting=True)
    step = terms.back_off.step(record.failures, terms.ran_for, stop)
    due = terms.now + timedelta(seconds=terms.back_off.delay(step))
    return replace(off, failures=step + 1, next_restart=stamp(due), resting=False)


def settled(record: Record) -> Record:
    """Forget how the last run ended: the next start is by wish."""
    return replace(record, live=None, timeline=None, stopping=None, failures=0, next_restart=None, resting=False)
