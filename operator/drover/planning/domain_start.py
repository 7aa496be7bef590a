"""What to do about a guest without a QEMU process: note why it is off, leave it off, wake it, or start it."""

from collections.abc import Iterator
from dataclasses import replace

from drover.api.domain import DomainSpec, DomainState
from drover.planning import laststop, live
from drover.planning import record as records
from drover.planning.domain_action import (
    CheckHost,
    DiscardSave,
    DomainAction,
    DropVolume,
    EnsureNetwork,
    EnsurePool,
    EnsureVolume,
    FetchImages,
    Launch,
    OpenVolume,
    Restore,
    SetInterfaces,
    TakeTurn,
    WriteLease,
    WriteRecord,
    WriteSeed,
)
from drover.planning.domain_seen import ROOM_CHECK, Decision, Seen, differs, note, restart_requested
from drover.planning.record import Cause, Moment, Terms
from drover.planning.restart import restarts
from drover.planning.times import stamp
from drover.planning.view import DomainView
from drover.state.guest import Guest, Record


def begin(order: DomainView, seen: Seen, guest: Guest) -> Decision:
    """Tell the next steps for a guest that is off."""
    spec, record = order.spec, guest.record
    if guest.has_managed_save:
        return _hibernated(order, seen, guest)
    if records.is_confirmed(record) or record.stopping is not None or (record.live is not None and seen.launched):
        # Not on an old order: another node may have the volumes by now.
        dropped = tuple(_spent(spec, record)) if _may_start(seen, record) else ()
        return Decision("Stopped", "Ended", (note(guest, _ended(spec, seen, guest)), *dropped))
    if spec.power_state in {"Stopped", "Hibernated"}:
        rest = records.settled(record)
        steps = () if rest == record else (note(guest, rest),)
        return Decision("Stopped", spec.stop_reason or "Requested", steps)
    return _start(order, seen, guest)


def _dropped(spec: DomainSpec) -> tuple[DropVolume, ...]:
    """Disks of which nothing outlives a run."""
    return tuple(DropVolume(disk) for disk in spec.disks if disk.hardware.ephemeral == "Enabled")


def _spent(spec: DomainSpec, record: Record) -> Iterator[DropVolume]:
    """Those of them that the run which ended had so: what it was to keep is there until the next start drops it."""
    had = live.disks(record.live) if record.live else {}
    return (each for each in _dropped(spec) if each.disk.name in had and had[each.disk.name].is_ephemeral)


def _opened(spec: DomainSpec) -> tuple[OpenVolume, ...]:
    """Encrypted disks: neither a start nor saved memory is spent on a passphrase that does not open them."""
    return tuple(OpenVolume(disk) for disk in spec.disks if disk.key)


def _ended(spec: DomainSpec, seen: Seen, guest: Guest) -> Record:
    clues = laststop.Clues(seen.boot_id, stamp(seen.now), seen.panicked, seen.crashed, seen.starved)
    terms = Terms(spec, seen.back_off, seen.ran_for, seen.now)
    return records.ended(guest.record, laststop.infer(guest, clues), terms)


def _hibernated(order: DomainView, seen: Seen, guest: Guest) -> Decision:
    spec, record = order.spec, guest.record
    if spec.power_state == "Hibernated" or (spec.power_state == "Stopped" and spec.stop_reason == "Evicted"):
        steps = (WriteRecord(replace(record, problem="")),) if record.problem else ()
        return Decision("Hibernated", "Requested", steps)
    if spec.power_state == "Stopped" or restart_requested(spec, record):
        asked = replace(guest, record=records.begun_to_stop(record, spec, seen.now))
        return Decision("Stopped", "Requested", (WriteRecord(_ended(spec, seen, asked)), DiscardSave()))
    if record.problem:
        return Decision("Hibernated", record.problem, message="the saved memory cannot be restored; it is kept")
    if not _may_start(seen, record):
        return _waiting_for_order(seen, "Hibernated")
    woken = replace(record, handled_start=spec.started_at)
    plugs = (EnsureNetwork(network) for network in dict.fromkeys(each.network for each in spec.interfaces))
    pools = (EnsurePool(pool) for pool in dict.fromkeys(disk.pool for disk in spec.disks))
    filters = (SetInterfaces(),) if spec.interfaces else ()
    steps = (*pools, *_opened(spec), *plugs, *filters, Restore(woken, paused=spec.power_state == "Paused"))
    return Decision("Starting", "Resuming", steps)


def _start(order: DomainView, seen: Seen, guest: Guest) -> Decision:
    """Start a guest that should be in flight, unless its restart policy or the back-off holds it."""
    spec, record = order.spec, guest.record
    if differs(spec.restarted_at, record.handled_restart) or differs(spec.started_at, record.handled_start):
        return _launch(order, seen, guest, "Request")
    if not (record.resting or record.next_restart) or record.last_stop is None:
        return _launch(order, seen, guest, "Wish")
    if not restarts(spec.restart_policy, record.last_stop):
        rest = replace(record, resting=True, next_restart=None, failures=0)
        steps = () if rest == record else (note(guest, rest),)
        return Decision("Stopped", "RestartPolicy", steps, record.last_stop.detail)
    left = _back_off_left(record, seen)
    if left > 0:
        return Decision("Stopped", "BackOff", message=record.last_stop.detail, again=left)
    return _launch(order, seen, guest, "Policy")


def _back_off_left(record: Record, seen: Seen) -> float:
    """Seconds until the restart is due; how long it was off is measured, so a jump of the clock changes nothing."""
    if record.next_restart is None:
        return 0.0
    return seen.back_off.delay(max(record.failures - 1, 0)) - seen.stopped_for


def _launch(order: DomainView, seen: Seen, guest: Guest, cause: Cause) -> Decision:
    spec = order.spec
    if not _may_start(seen, guest.record):
        return _waiting_for_order(seen, "Stopped")
    if seen.namesake:
        message = f"guest {seen.namesake}, for which no Domain speaks, has its name on this node"
        return Decision("Pending", "NameTaken", message=message, again=ROOM_CHECK)
    base = records.ordered(guest.record, order.meta.key.name, spec)
    record = records.attempted(base, spec, Moment(seen.now, seen.boot_id), cause)
    return Decision(
        "Pending",
        "Preparing",
        (TakeTurn(), CheckHost(), *preparations(spec), Launch(record, paused=spec.power_state == "Paused")),
    )


def preparations(spec: DomainSpec) -> tuple[DomainAction, ...]:
    """What must be there before a guest can start: a guest is never half-made."""
    origins = (disk.clone.pool for disk in spec.disks if disk.clone)
    pools = dict.fromkeys((*(disk.pool for disk in spec.disks), *origins))
    networks = dict.fromkeys(interface.network for interface in spec.interfaces)
    from_images = [disk.image for disk in spec.disks] + [medium.image for medium in spec.media]
    images = (FetchImages(),) if spec.kernel or any(from_images) else ()
    return (
        *(EnsurePool(pool) for pool in pools),
        *_dropped(spec),
        *images,
        *(EnsureVolume(disk) for disk in spec.disks),
        *_opened(spec),
        *(EnsureNetwork(network) for network in networks),
        *(WriteLease(interface) for interface in spec.interfaces),
        *((SetInterfaces(),) if networks else ()),
        *((WriteSeed(),) if spec.seed else ()),
    )


def _may_start(seen: Seen, record: Record) -> bool:
    """After a boot nothing starts on an old order: another node may have the machine by now."""
    return seen.in_touch and (seen.primed or (bool(record.boot_id) and record.boot_id == seen.boot_id))


def _waiting_for_order(seen: Seen, state: DomainState) -> Decision:
    """Wait until the API server can be read; nobody tells when it can be."""
    if seen.in_touch:
        return Decision(state, "WaitingForAPI", message="the API server has not been read since the node was booted")
    words = "the API server does not answer, and another node may have come to use a volume of the machine"
    return Decision(state, "WaitingForAPI", message=words, again=ROOM_CHECK)
