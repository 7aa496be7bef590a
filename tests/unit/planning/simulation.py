"""A node in a few lines: libvirt with one guest, an agent that may die after any step, and a witness of every boot."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tests.support.domains import BACK_OFF, NOW, make_guest, make_meta, make_spec

from drover.api.domain import DomainStatus, LiveMachine
from drover.planning import domain_action as does
from drover.planning.domain import decide
from drover.planning.domain_seen import Decision, Seen
from drover.planning.domain_status import Facts, describe
from drover.planning.laststop import Clues, infer
from drover.planning.live import machine
from drover.planning.record import is_confirmed
from drover.planning.restart import by_itself, restarts
from drover.planning.times import parse
from drover.planning.view import DomainView, View
from drover.state.guest import Guest, Record

IMMORTAL = 10**6


class Died(Exception):
    """The agent was killed."""


@dataclass
class Node:
    """One node; its agent forgets everything in `memory` when it dies."""

    spec: Any = field(default_factory=lambda: make_spec(restartPolicy="Never"))
    meta: Any = field(default_factory=make_meta)
    status: DomainStatus = field(default_factory=DomainStatus)
    guest: Guest | None = None
    boot: int = 1
    primed: bool = True
    now: datetime = NOW
    clock: float = 0.0
    """Monotonic seconds."""
    boots: int = 0
    released: bool = False
    answered: set[str] = field(default_factory=set)
    """Request values that a boot has answered."""
    rests: bool = False
    """The witness's own view: it stopped by itself, and nobody asked for it since."""
    plugged: dict[str, str] = field(default_factory=dict)
    """What QEMU has: volumes of disks and hardware addresses of interfaces, by name."""
    memory: dict[str, Any] = field(default_factory=dict)
    lives: int = IMMORTAL
    """Steps until the agent is killed."""

    @property
    def boot_id(self) -> str:
        return f"boot-{self.boot}"

    @property
    def order(self) -> DomainView:
        return View(self.meta, self.spec, self.status)

    # --- the agent ----------------------------------------------------------------------------------------------------

    def seen(self) -> Seen:
        record = self.guest.record if self.guest else None
        stop, last = (record.stopping, record.last_stop) if record else (None, None)
        asked = self.memory.get("asked")
        return Seen(
            guest=self.guest,
            boot_id=self.boot_id,
            now=self.now,
            primed=self.primed,
            back_off=BACK_OFF,
            stopping_for=self.elapsed(stop.since) if stop else 0.0,
            asked_for=None if asked is None else self.clock - asked,
            stopped_for=self.elapsed(last.time) if last else 0.0,
            ran_for=self.elapsed(record.last_start) if record and record.last_start else 0.0,
            launched=self.memory.get("launched", False),
        )

    def elapsed(self, since: str) -> float:
        wall = max(0.0, (self.now - parse(since)).total_seconds())
        base, first = self.memory.setdefault(since, (wall, self.clock))
        return float(base + self.clock - first)

    @contextmanager
    def mortal(self, lives: int) -> Iterator[None]:
        """Have the agent die after some steps, and not later than this, whatever else goes wrong meanwhile."""
        self.lives = lives
        try:
            yield
        finally:
            self.lives = IMMORTAL

    def run_agent(self, rounds: int = 30) -> Decision:
        """Reconcile until nothing is left to do; `Died` when the agent's lives run out."""
        self.rests = self.rests and self.spec.power_state in {"Running", "Paused"}
        for _ in range(rounds):
            decision = decide(self.order, self.seen())
            if not decision.actions or self.released:
                self.status = describe(self.order, decision, Facts(self.guest, self.boot_id, self.now))
                return decision
            for action in decision.actions:
                self.spend()
                getattr(self, f"_{type(action).__name__.lower()}")(action)
        raise AssertionError(f"it never comes to rest: {decision}")

    def check_plugged(self) -> None:
        """Object to a device that the record does not tell of, and to one that it tells of for certain and is not."""
        live = self.guest.record.live if self.guest and self.guest.active else None
        if live is None:
            return
        known = read_plugged(live)
        assert self.plugged.items() <= known.items()
        assert self.plugged.keys() >= {name for name in known if not is_changing(live, name)}

    def spend(self) -> None:
        self.check_plugged()
        if self.lives == 0:
            self.memory = {}
            raise Died
        self.lives -= 1

    def _nothing(self, _: Any) -> None:
        """Make what is not simulated."""

    def _attachdisk(self, action: does.AttachDisk) -> None:
        self.plug(action.disk.name, action.disk.volume)

    def _attachinterface(self, action: does.AttachInterface) -> None:
        self.plug(action.interface.name, action.interface.mac)

    def plug(self, name: str, what: str) -> None:
        """Plug in what is not there yet; object if the API does not know of it."""
        assert read_plugged(self.status.live)[name] == what
        self.plugged.setdefault(name, what)

    def _detach(self, action: Any) -> None:
        self.plugged.pop(action.name, None)

    _detachdisk = _detachinterface = _detach

    _ensurepool = _ensurevolume = _ensurenetwork = _writelease = _removelease = _setinterfaces = _holddomain = (
        _taketurn
    ) = _checkhost = _nothing

    def _define(self, action: does.Define) -> None:
        known = self.guest or make_guest("Off", "Unknown")
        self.guest = replace(known, record=action.record, persistent=True)

    def _writerecord(self, action: does.WriteRecord) -> None:
        assert self.guest is not None
        self.guest = replace(self.guest, record=action.record)

    def _launch(self, action: does.Launch) -> None:
        assert self.guest is None or not self.guest.active
        assert self.guest is None or not self.guest.has_managed_save
        self.judge()
        # A start that was begun for a good reason is finished, whatever is thought of it meanwhile.
        self.rests = False
        self._define(does.Define(action.record))
        self.spend()
        assert self.guest is not None
        self.boots += 1
        self.plugged = read_plugged(machine(self.spec))
        self.answered |= {value for value in (self.spec.restarted_at, self.spec.started_at) if value}
        self.memory["launched"] = True
        self.guest = replace(self.guest, state="Paused" if action.paused else "Running", reason="User")

    def judge(self) -> None:
        """Object to a start that nobody asked for."""
        record = self.guest.record if self.guest else None
        assert self.spec.power_state in {"Running", "Paused"}
        assert self.primed or (record is not None and record.boot_id == self.boot_id)
        asked = {value for value in (self.spec.restarted_at, self.spec.started_at) if value} - self.answered
        assert not self.rests or asked or record is None or self.may_restart(record)

    def may_restart(self, record: Record) -> bool:
        return record.last_stop is not None and restarts(self.spec.restart_policy, record.last_stop)

    def _restore(self, action: does.Restore) -> None:
        assert self.guest is not None
        assert self.guest.has_managed_save
        assert self.primed or self.guest.record.boot_id == self.boot_id
        state: Any = "Paused" if action.paused else "Running"
        self.guest = replace(self.guest, record=action.record, state=state, reason="User", has_managed_save=False)

    def _pause(self, _: Any) -> None:
        self.set("Paused", "User")

    def _resume(self, _: Any) -> None:
        self.set("Running", "Resumed")

    def _requestshutdown(self, _: Any) -> None:
        self.memory["asked"] = self.clock

    def _cutpower(self, _: Any) -> None:
        self.set("Off", "Destroyed")

    def _hibernate(self, _: Any) -> None:
        assert self.guest is not None
        self.guest = replace(self.guest, state="Off", reason="Saved", has_managed_save=True)

    def _discardsave(self, _: Any) -> None:
        assert self.guest is not None
        self.guest, self.plugged = replace(self.guest, has_managed_save=False), {}

    def _undefine(self, _: Any) -> None:
        assert self.guest is not None
        assert not self.guest.active
        self.guest = None

    def _releasedomain(self, action: does.ReleaseDomain) -> None:
        assert self.guest is None or action.orphaned
        self.released = True

    # --- what happens to it -------------------------------------------------------------------------------------------

    def set(self, state: Any, reason: Any) -> None:
        assert self.guest is not None
        self.plugged = {} if state == "Off" else self.plugged
        kept = self.guest.persistent or state != "Off"
        self.guest = replace(self.guest, state=state, reason=reason) if kept else None

    def stop_by_itself(self, reason: Any) -> None:
        """Have the guest go off without the agent's doing; it counts once the agent could know that it ran."""
        assert self.guest is not None
        known = is_confirmed(self.guest.record) or bool(self.memory.get("launched"))
        stop = infer(replace(self.guest, state="Off", reason=reason), Clues(self.boot_id, "2026-11-21T12:00:00Z"))
        self.rests = known and by_itself(stop)
        self.set("Off", reason)

    def pass_time(self, seconds: float) -> None:
        self.clock += seconds
        self.now += timedelta(seconds=seconds)


def read_plugged(live: LiveMachine | None) -> dict[str, str]:
    """Volumes of disks and hardware addresses of interfaces that a record or a status tells, by name."""
    disks = {text.split()[0]: text.split()[1] for text in (live.disks if live else ())}
    return disks | {text.split()[0]: text.split()[2] for text in (live.interfaces if live else ())}


def is_changing(live: LiveMachine, name: str) -> bool:
    """Whether a device is just being plugged in or out."""
    return bool({f"spec.disks[{name}]", f"spec.interfaces[{name}]"} & live.changing.keys())
