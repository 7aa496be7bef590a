"""What a decision about one Domain goes by, and what it says."""

from dataclasses import dataclass
from datetime import datetime

from drover.api.domain import DomainSpec, DomainState
from drover.planning.domain_action import Define, DomainAction, WriteRecord
from drover.planning.restart import BackOff
from drover.state.guest import Guest, Record

ROOM_CHECK = 5.0
"""Seconds between two looks at what is in the way."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the agent knows when it decides; seconds are by its own clock as far as it has watched itself."""

    guest: Guest | None
    boot_id: str
    now: datetime
    primed: bool
    """Whether the API has been read in full by this process."""
    back_off: BackOff
    kinds_removed: bool = False
    """Whether the Domain is being deleted only because its definition is."""
    namesake: str = ""
    """uuid of another guest that holds the name in libvirt."""
    stopping_for: float = 0.0
    """Since the stop under way was begun."""
    asked_for: float | None = None
    """Since the guest was last asked to switch itself off; None when this process has not asked yet."""
    stopped_for: float = 0.0
    """Since the last stop was written down."""
    ran_for: float = 0.0
    """Since the latest start."""
    resumed_for: float | None = None
    """Since this process last let a guest that ran out of space run on."""
    launched: bool = False
    """Whether QEMU was seen since the latest start was written down, by this process itself or by an event."""
    panicked: bool = False
    crashed: bool = False
    starved: bool = False
    """Whether its watchdog switched it off."""
    room: bool = True
    """Whether the pools of a guest that ran out of space have room again."""
    in_touch: bool = True
    """Whether the API server was heard of late, or no other node can have come by what the guest needs."""
    saving: bool = False
    """Whether this process is having the guest's memory saved."""
    wired: bool = True
    """Whether the interfaces of a guest in flight are as ordered, as far as that is live."""
    stuck: frozenset[str] = frozenset()
    """Paths in the machine's spec of changes that this very look began and could not make."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The next steps, and what the guest is meanwhile."""

    state: DomainState
    reason: str
    actions: tuple[DomainAction, ...] = ()
    message: str = ""
    again: float | None = None
    """Seconds after which to look again although nothing is heard."""
    passing: bool = False
    """Whether this ends by itself in a moment."""
    change: str = ""
    """Path in the machine's spec that the steps change of a guest in flight: if they fail, others are made."""
    untold: bool = False
    """Whether the next step waits until the API has what the guest is about to get."""

    @property
    def settled(self) -> bool:
        """Whether this lasts unless something happens."""
        return not self.actions and not self.passing and self.state not in {"Pending", "Starting", "Stopping"}


def note(guest: Guest, record: Record) -> DomainAction:
    """Write a record down, where libvirt does not know the guest by defining it."""
    return WriteRecord(record) if guest.persistent else Define(record)


def restart_requested(spec: DomainSpec, record: Record) -> bool:
    """Tell whether a restart is to be done that was not done yet; who hibernates waits with it."""
    return spec.power_state != "Hibernated" and differs(spec.restarted_at, record.handled_restart)


def differs(request: str | None, handled: str | None) -> bool:
    """Tell whether a request is there that was not acted on."""
    return bool(request) and request != handled
