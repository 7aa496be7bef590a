"""What the agent remembers of guests while it lives: how long things last, what it did, what it saw happen.

Nothing here may be needed: after a restart of the agent all of it is gone.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from drover.api.domain import DomainDisk
from drover.planning.times import parse
from drover.state.guest import GuestEvent


@dataclass(slots=True)
class Impressions:
    """One guest's share; times are monotonic seconds."""

    launched: bool = False
    """QEMU was seen since the latest start was written down."""
    panicked: bool = False
    crashed: bool = False
    starved: bool = False
    """Its watchdog switched it off."""
    asked_at: float | None = None
    """When it was last asked to switch itself off."""
    resumed_at: float | None = None
    """When it was last let run on after it ran out of space."""
    wanted_at: float | None = None
    """When the preparations of the start under way began."""
    fresh: dict[str, DomainDisk] = field(default_factory=dict)
    """Disks of which nothing outlives a run, by uid, that were made, or are being made, and that no run has had yet."""
    waits: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Of each thing that lasts: the time in the record that it counts from, and our own clock's reading at it."""

    def begin(self) -> None:
        """Forget the last run: another start is being written down."""
        self.launched = self.panicked = self.crashed = self.starved = False
        self.asked_at = self.resumed_at = None
        self.fresh.clear()


class Memory:
    """The impressions of all guests, by uuid."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._guests: dict[str, Impressions] = {}

    def of(self, uuid: str) -> Impressions:
        """Give what is remembered of a guest."""
        return self._guests.setdefault(uuid, Impressions())

    def forget(self, uuid: str) -> None:
        """Forget a guest."""
        self._guests.pop(uuid, None)

    def witness(self, event: GuestEvent) -> None:
        """Keep of an event what libvirt itself forgets."""
        known = self.of(event.uuid)
        if event.kind == "Started":
            known.launched = True
            known.fresh.clear()
        elif event.kind == "Panicked":
            known.panicked = True
        elif event.kind == "Watchdog":
            known.starved = event.detail == "PowerOff"
        elif event.kind == "Stopped":
            known.crashed = event.detail == "Crashed"

    def lasting(self, uuid: str, what: str, since: str | None, now: datetime) -> float:
        """Seconds since a time that a record names, 0 without one.

        The wall clock is asked only when the time is seen first, which is at once when this process wrote it, and after
        a restart of the agent else. From then on our own clock counts, so that no jump of the wall clock matters.
        """
        waits = self.of(uuid).waits
        if since is None:
            waits.pop(what, None)
            return 0.0
        known = waits.get(what)
        if known is None or known[0] != since:
            passed = max(0.0, (now - parse(since)).total_seconds())
            known = waits[what] = (since, self.clock() - passed)
        return self.clock() - known[1]

    def ago(self, moment: float | None) -> float | None:
        """Seconds since a moment of our own clock."""
        return None if moment is None else self.clock() - moment
