"""Power: whether a machine wants a place on a node, whether its guest needs one still, and what its Domain is told."""

from dataclasses import dataclass
from typing import Literal

from drover.api.domain import DomainSpec
from drover.api.virtualmachine import PowerState
from drover.planning.view import DomainView, MachineView

ON: frozenset[str] = frozenset({"Running", "Paused"})
"""Power states for which a place is booked."""
OFF_STATES: frozenset[str] = frozenset({"Stopped", "Hibernated"})
"""States of a guest without a QEMU process."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a Domain is told about power."""

    power_state: PowerState
    stop_reason: Literal["Requested", "Evicted"] | None
    restarted_at: str | None
    started_at: str | None


def current(domain: DomainView) -> bool:
    """Tell whether the agent's report is about the Domain as it now stands."""
    return (domain.status.observed_generation or 0) >= domain.meta.generation


def rests(domain: DomainView) -> bool:
    """Tell whether the guest stopped by itself and its restart policy leaves it so."""
    status = domain.status
    stays = status.state == "Stopped" and status.reason == "RestartPolicy" and status.next_restart is None
    return stays and domain.spec.power_state in ON and current(domain)


def is_off(domain: DomainView) -> bool:
    """Tell whether the guest is off and its agent has no reason to start it: only then may its place be given up."""
    status = domain.status
    told = domain.spec.power_state not in ON or rests(domain)
    return told and current(domain) and status.state in OFF_STATES and status.next_restart is None


def has_memory(domain: DomainView) -> bool:
    """Tell whether the node keeps a guest, in flight or saved, that cannot go on elsewhere."""
    return domain.status.state != "Stopped" or domain.status.reason == "ResumeFailed" or not current(domain)


def saves_memory(domain: DomainView) -> bool:
    """Tell whether the node may keep the guest's memory on disk, as far as its agent has told."""
    status = domain.status
    if status.state == "Stopped" and status.reason != "ResumeFailed" and current(domain):
        return False
    saved = status.state == "Hibernated" or status.reason in {"Hibernating", "Resuming", "ResumeFailed"}
    return saved or domain.spec.power_state == "Hibernated"


def has_tpm(domain: DomainView) -> bool:
    """Tell whether the node keeps the content of a TPM: it does from the first start on, and nobody else has it."""
    started = domain.status.machine_type is not None or was_on(domain)
    return started and domain.spec.machine.tpm == "Enabled"


def was_on(domain: DomainView) -> bool:
    """Tell whether the guest was in flight when its agent was last heard."""
    return domain.status.live is not None or domain.status.state in {"Running", "Paused", "Starting", "Stopping"}


def restart_requested(machine: MachineView, domain: DomainView) -> bool:
    """Tell whether a restart was asked for that the agent has not acted on: it discards saved memory."""
    return _requests(machine)[0] not in {None, domain.status.handled_restart}


def requested(machine: MachineView, domain: DomainView) -> bool:
    """Tell whether a start or restart was asked for that the agent has not acted on."""
    restart, start = _requests(machine)
    status = domain.status
    return restart not in {None, status.handled_restart} or start not in {None, status.handled_start}


def wants_place(machine: MachineView, domain: DomainView | None, *, went_down: bool = False) -> bool:
    """Tell whether the machine should have a place on a node.

    `went_down`: its guest ended with its node, and its restart policy leaves it so.
    """
    if machine.spec.power_state not in ON:
        return False
    return domain is None or not (went_down or rests(domain)) or requested(machine, domain)


def first_wish(machine: MachineView) -> Wish:
    """What a new Domain is told: the requests that there are count as met by its first start."""
    restart, start = _requests(machine)
    return Wish(machine.spec.power_state, None, restart, start)


def wish(machine: MachineView, domain: DomainView, *, held: bool, evicted: bool, rebooked: bool = False) -> Wish:
    """What an existing Domain is told; `held`: a place is booked on its node, `evicted`: the place is being taken away.

    Without a place nothing starts, but what runs goes on: only the spec or an eviction stops it. `rebooked`: the next
    start needs another place than the one that is held, so that a restart is a stop, a booking and a start.
    """
    spec, desired = domain.spec, machine.spec.power_state
    kept = Wish(spec.power_state, spec.stop_reason, spec.restarted_at, spec.started_at)
    if desired not in ON:
        nothing_to_save = desired == "Hibernated" and spec.power_state == "Stopped"
        return kept if nothing_to_save else Wish(desired, None, spec.restarted_at, spec.started_at)
    if rebooked and restart_requested(machine, domain):
        return Wish("Stopped", "Requested", spec.restarted_at, spec.started_at)
    if held:
        return first_wish(machine)
    if evicted and spec.power_state in ON:
        return Wish("Stopped", "Evicted", spec.restarted_at, spec.started_at)
    return kept


def apply(spec: DomainSpec, wish: Wish) -> DomainSpec:
    """Write a wish into a Domain's spec."""
    return spec.model_copy(
        update={
            "power_state": wish.power_state,
            "stop_reason": wish.stop_reason,
            "restarted_at": wish.restarted_at,
            "started_at": wish.started_at,
        }
    )


def _requests(machine: MachineView) -> tuple[str | None, str | None]:
    meta = machine.meta
    return meta.annotation("restartedAt") or None, meta.annotation("startedAt") or None
