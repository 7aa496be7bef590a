"""Why a guest stopped: inferred from our own note, the boot, and libvirt's reason, in this order of trust."""

from dataclasses import dataclass
from typing import Literal

from drover.api.virtualmachine import LastStop
from drover.state.guest import Guest, GuestReason, Stopping

Reason = Literal[
    "GuestShutdown", "GuestPanic", "GuestCrashed", "HypervisorKilled", "Destroyed", "HostFailure", "Watchdog", "Unknown"
]


@dataclass(frozen=True, slots=True)
class Clues:
    """What the agent knows about a stop besides what libvirt keeps."""

    boot_id: str
    """Boot of the node now."""
    time: str
    """When the stop was noticed, RFC 3339."""
    panicked: bool = False
    """A panic of the guest's kernel was reported since the start."""
    crashed: bool = False
    """libvirt told of a crash of the guest rather than of QEMU."""
    starved: bool = False
    """Its watchdog switched it off."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reason, who did it, and a sentence."""

    reason: Reason
    actor: str
    detail: str


VERDICTS: dict[GuestReason, Verdict] = {
    "Shutdown": Verdict("GuestShutdown", "guest", "The guest switched itself off."),
    "Crashed": Verdict("HypervisorKilled", "node", "QEMU ended without a shutdown of the guest."),
    "Failed": Verdict("HypervisorKilled", "node", "QEMU failed."),
    "Destroyed": Verdict("Destroyed", "node", "Somebody cut its power on the node."),
    "Saved": Verdict("Destroyed", "node", "Somebody saved its memory away on the node."),
    "Daemon": Verdict("HostFailure", "node", "libvirtd stopped it."),
}
PANIC = Verdict("GuestPanic", "guest", "The guest's kernel panicked.")
STARVED = Verdict("Watchdog", "guest", "The guest stopped feeding its watchdog.")
CRASH = Verdict("GuestCrashed", "guest", "The guest crashed.")
REBOOT = Verdict("HostFailure", "node", "The node was booted anew.")
FORGOTTEN = Verdict("Destroyed", "node", "Somebody removed it from libvirt on the node.")
UNKNOWN = Verdict("Unknown", "", "libvirt does not know why it stopped.")


def infer(guest: Guest, clues: Clues) -> LastStop:
    """Tell why a guest that is off now and was in flight before stopped."""
    if guest.record.stopping is not None:
        return _asked(guest.record.stopping, guest.reason, clues.time)
    found = _verdict(guest, clues)
    return LastStop(reason=found.reason, actor=found.actor, time=clues.time, detail=found.detail)


def _asked(stopping: Stopping, reason: GuestReason, time: str) -> LastStop:
    detail = "Its power was cut." if reason == "Destroyed" else ""
    return LastStop(reason=stopping.reason, actor=stopping.actor, time=time, detail=detail)


def _verdict(guest: Guest, clues: Clues) -> Verdict:
    if guest.record.boot_id != clues.boot_id:
        return REBOOT
    if guest.record.panicked or clues.panicked:
        return PANIC
    if clues.starved:
        return STARVED
    if clues.crashed:
        return CRASH
    if not guest.persistent:
        return FORGOTTEN
    return VERDICTS.get(guest.reason, UNKNOWN)
