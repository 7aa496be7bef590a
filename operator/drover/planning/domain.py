"""What to do about one Domain on its node: from what is ordered and what libvirt has, the next steps.

The answer is asked for again after each round of steps, so every branch names only what comes next. Three promises rule
the order of the branches: a stop that has begun is finished; what the guest did is written down before anything else
happens to it; nothing is started unless this boot has seen the order.
"""

from dataclasses import replace

from drover.api.domain import DomainSpec
from drover.planning import names
from drover.planning import record as records
from drover.planning.domain_action import (
    CutPower,
    Hibernate,
    HoldDomain,
    Pause,
    ReleaseDomain,
    RemoveLease,
    RequestShutdown,
    Resume,
    SetInterfaces,
    StopSaving,
    Undefine,
    WriteRecord,
)
from drover.planning.domain_seen import ROOM_CHECK, Decision, Seen, differs, note, restart_requested
from drover.planning.domain_start import begin
from drover.planning.live import plugging, plugs
from drover.planning.pending import live_changes
from drover.planning.record import Moment
from drover.planning.view import DomainView
from drover.state.guest import Guest, GuestReason, Record

ASK_AGAIN = 10.0
"""Seconds between two shutdown requests: a guest that is still booting ignores the first."""
PASSING_CHECK = 1.0
"""Seconds after which a passing state is looked at again."""
TOLD_CHECK = 0.2
"""Seconds after which to look again whether the API has what was said."""
WIRES = "spec.interfaces"
"""What is changed when cables and packet filters are."""
PASSING: frozenset[GuestReason] = frozenset({"Migration", "Snapshot", "Starting"})


def decide(order: DomainView, seen: Seen) -> Decision:
    """Tell the next steps for a Domain; no steps: it is as it can be for now."""
    if order.meta.deleting:
        return _remove(order, seen)
    if seen.guest is not None and seen.guest.record.epoch > order.spec.epoch:
        return Decision("Unknown", "NewerEpoch", message="the guest on this node belongs to a newer incarnation")
    if names.FINALIZER_AGENT not in order.meta.finalizers and seen.primed:
        return Decision("Pending", "Preparing", (HoldDomain(),))
    guest = seen.guest or _forgotten(order)
    return _active(order, seen, guest) if guest.active else begin(order, seen, guest)


def _remove(order: DomainView, seen: Seen) -> Decision:
    if names.FINALIZER_AGENT not in order.meta.finalizers:
        return Decision("Unknown", "Released")
    guest = seen.guest
    ours = guest is not None and guest.record.epoch <= order.spec.epoch
    if seen.kinds_removed or (guest is not None and not ours):
        return Decision("Unknown", "Orphaned", (ReleaseDomain(orphaned=True),))
    if guest is None or not guest.active:
        leases = tuple(RemoveLease(interface) for interface in order.spec.interfaces)
        forget = (Undefine(),) if guest is not None else ()
        return Decision("Stopped", "Deleted", (*forget, *leases, ReleaseDomain()))
    if _is_being_saved(seen, guest):
        # Where it is saved to may not answer any more, and then neither does who is to stop.
        forced = order.spec.termination_grace_period_seconds <= 0
        return Decision("Stopping", "Deleted", (CutPower() if forced else StopSaving(),))
    return _stop(order.spec, seen, guest)


def _forgotten(order: DomainView) -> Guest:
    """Stand in for a guest that libvirt does not know, with all that the API remembers of it."""
    meta, spec = order.meta, order.spec
    record = records.recovered(records.fresh(meta.key.namespace, meta.key.name, spec), order.status)
    name = names.libvirt(meta.key.namespace, spec.virtual_machine.name)
    return Guest(spec.uuid, name, "Off", "Unknown", persistent=False, has_managed_save=False, record=record)


# --- a guest with a QEMU process -------------------------------------------------------------------------------------


def _active(order: DomainView, seen: Seen, guest: Guest) -> Decision:
    spec, record = order.spec, guest.record
    if _is_being_saved(seen, guest):
        return _saving(spec, seen, record)
    wanted = _kept(order, seen, guest)
    if wanted != record or not guest.persistent:
        return Decision("Starting", "Confirming", (note(guest, wanted),))
    if guest.state == "Paused" and guest.reason == "Panicked":
        return Decision("Stopping", "Panicked", (WriteRecord(replace(record, panicked=True)), CutPower()))
    if _is_to_stop(spec, record):
        return _stop(spec, seen, guest)
    if not seen.wired and WIRES not in seen.stuck:
        return Decision("Running", "Wiring", (SetInterfaces(),), change=WIRES)
    if differs(spec.started_at, record.handled_start):
        return Decision("Running", "Running", (WriteRecord(replace(record, handled_start=spec.started_at)),))
    return _changing(order, seen, guest) if guest.state == "Running" else _steer(spec, seen, guest)


def _is_to_stop(spec: DomainSpec, record: Record) -> bool:
    return record.stopping is not None or spec.power_state == "Stopped" or restart_requested(spec, record)


def _is_being_saved(seen: Seen, guest: Guest) -> bool:
    """Whether its memory is being saved, or waits for its turn to be."""
    return seen.saving or (guest.state == "Paused" and guest.reason == "Saving")


def _saving(spec: DomainSpec, seen: Seen, record: Record) -> Decision:
    """Wait until a guest's memory is saved, which may take minutes, unless it is to be something else before.

    libvirt writes nothing down meanwhile.
    """
    # What somebody else saves is his, unless it is in the way of a stop.
    if _is_to_stop(spec, record) or (seen.saving and spec.power_state != "Hibernated"):
        return Decision("Running", "Hibernating", (StopSaving(),), passing=True)
    reason = "Hibernating" if spec.power_state == "Hibernated" else "Saving"
    return Decision("Running", reason, message="its memory is being saved", again=PASSING_CHECK, passing=True)


def _changing(order: DomainView, seen: Seen, guest: Guest) -> Decision:
    """Give a running guest what its spec has for it at once, one thing after the other; what fails holds up none."""
    spec, present = order.spec, guest.record.live
    ahead = [each for each in live_changes(present, spec) if each.path not in seen.stuck]
    if not ahead:
        return _steer(spec, seen, guest)
    if not seen.in_touch:
        # Another node may have come to use a volume since: nothing is plugged in on an old order.
        return replace(_steer(spec, seen, guest), again=ROOM_CHECK)
    # All that know the API alone are to know first that what is plugged in is no longer free.
    untold = plugging(present) if plugs(present) != plugs(order.status.live) else frozenset()
    first = next((each for each in ahead if each.path not in untold), None)
    if first is None:
        return Decision("Running", "Changing", again=TOLD_CHECK if seen.primed else ROOM_CHECK, untold=True)
    done = WriteRecord(records.changed(guest.record, first.after))
    return Decision("Running", "Changing", (*first.steps, done), passing=True, change=first.path)


def _kept(order: DomainView, seen: Seen, guest: Guest) -> Record:
    """The record as it should be while the guest is in flight."""
    record = records.ordered(guest.record, order.meta.key.name, order.spec)
    if records.is_confirmed(record) and record.boot_id == seen.boot_id:
        return record
    ready = order.spec.readiness_probe is None and guest.state == "Running"
    return records.confirmed(record, order.spec, Moment(seen.now, seen.boot_id), ready=ready)


def _stop(spec: DomainSpec, seen: Seen, guest: Guest) -> Decision:
    if guest.record.stopping is None:
        begun = records.begun_to_stop(guest.record, spec, seen.now)
        return Decision("Stopping", "Requested", (note(guest, begun),))
    reason, left = guest.record.stopping.reason, spec.termination_grace_period_seconds - seen.stopping_for
    if left <= 0:
        return Decision("Stopping", reason, (CutPower(),))
    if seen.asked_for is not None and seen.asked_for < ASK_AGAIN:
        return Decision("Stopping", reason, again=min(left, ASK_AGAIN - seen.asked_for))
    # A guest whose clock stands still cannot hear the request.
    wake = (Resume(),) if guest.state == "Paused" else ()
    return Decision("Stopping", reason, (*wake, RequestShutdown()), again=min(left, ASK_AGAIN))


def _steer(spec: DomainSpec, seen: Seen, guest: Guest) -> Decision:
    """Bring a guest in flight to the wished one of Running, Paused and Hibernated."""
    if guest.state == "Paused" and guest.reason in PASSING:
        return Decision("Running", guest.reason, again=PASSING_CHECK, passing=True)
    if spec.power_state == "Hibernated":
        return Decision("Running", "Hibernating", (Hibernate(),))
    if guest.state == "Paused" and guest.reason == "IOError":
        return _out_of_space(seen)
    if guest.state == "Paused" and guest.reason == "Watchdog":
        message = "its watchdog paused it; a restart starts it anew"
        return Decision("Paused", "Watchdog", message=message)
    if spec.power_state == "Paused":
        return Decision("Paused", "Requested", () if guest.state == "Paused" else (Pause(),))
    if guest.state == "Paused":
        return Decision("Paused", "SuspendedOnHost", (Resume(),))
    return Decision("Running", "Running")


def _out_of_space(seen: Seen) -> Decision:
    message = "a write of the guest failed, mostly because a pool is full; it runs on when there is room"
    rested = seen.resumed_for is None or seen.resumed_for >= ROOM_CHECK
    steps = (Resume(),) if seen.room and rested else ()
    return Decision("Paused", "OutOfSpace", steps, message, again=ROOM_CHECK)
