"""What is said of a machine: findings, their conditions and summary, and the fields that columns show."""

from collections.abc import Sequence

from drover.api.domain import DomainSpec, DomainStatus
from drover.api.resolved import ResolvedMachine
from drover.api.virtualmachine import GuestAddress, LastStop, PendingChange, StartTimeline, VirtualMachineStatus
from drover.planning import anchor, domainspec, pending, power, resolve, volume
from drover.planning.address import family_of
from drover.planning.conditions import Finding, find, stamp, summary
from drover.planning.domainspec import Parts
from drover.planning.found import Situation
from drover.planning.live import NO_ADDRESS
from drover.planning.pending import Rotation
from drover.planning.phase import phase
from drover.planning.resolve import EffectiveInterface
from drover.planning.times import parse
from drover.planning.view import DomainView
from drover.state.pod import Pod

ON_NODE = ("VolumesReady", "NetworkReady", "Running", "GuestReady")
"""Conditions that the node's agent observes."""
MADE_FIRST = frozenset({"VolumesReady", "NetworkReady"})
"""Those of them that tell of what is made before the node hears of it."""


def status(situation: Situation, *, now: str) -> VirtualMachineStatus:
    """Say everything that is known of a machine that is to be."""
    machine, domain, effective = situation.machine, situation.domain, situation.effective
    before = machine.status
    live = domain.status.live if domain else None
    rotation = Rotation(situation.found.secrets, before.pending_changes or ())
    changes = pending.changes(live, _next_spec(situation), rotation, _told(domain))
    said = findings(situation)
    told = [situation.found.endpoints] if situation.found.endpoints else []
    said = [*said, ready(situation, said), _synced(situation, changes), *told]
    return VirtualMachineStatus(
        observed_generation=machine.meta.generation,
        phase=phase(situation),
        conditions=stamp(said, before.conditions or [], now=now, generation=machine.meta.generation),
        node_name=node(situation),
        epoch=domain.spec.epoch if domain else before.epoch,
        domain=domain.meta.key.name if domain else None,
        guest_uuid=_guest(situation),
        addresses=addresses(situation),
        resolved=_resolved(situation),
        pending_changes=changes or None,
        restarts=_kept(domain.status.restarts if domain else None, before.restarts),
        last_stop=_lost_with_node(situation, now) or (domain.status.last_stop if domain else None) or before.last_stop,
        detached_volumes=list(volume.detached(effective, situation.found.owned)) or None,
        start_timeline=timeline(situation),
    )


def _synced(situation: Situation, changes: list[PendingChange]) -> Finding:
    """Tell whether the machine in flight is what the spec asks for, if what that comes to can be told at all."""
    in_flight = situation.domain is not None and situation.domain.status.live is not None
    obstacle = situation.accepted if situation.accepted.status != "True" else situation.blocked
    if obstacle is None or not in_flight:
        return pending.synced(changes)
    words = f"{obstacle.type}: {obstacle.message}; what it was started with goes on meanwhile"
    return Finding("Synced", "Unknown", obstacle.reason, words)


def _resolved(situation: Situation) -> ResolvedMachine:
    """Show the effective spec, with what only the first start decided."""
    told = situation.domain.status if situation.domain else DomainStatus()
    before = situation.machine.status.resolved
    shown = resolve.shown(situation.effective)
    pins = {
        "machine_type": told.machine_type or (before.machine_type if before else None),
        "architecture": told.architecture or shown.architecture or (before.architecture if before else None),
    }
    return shown.model_copy(update=pins)


def _guest(situation: Situation) -> str | None:
    """Libvirt's uuid of a guest that was adopted, for as long as the machine lives."""
    domain = situation.domain
    if domain is None:
        return situation.machine.status.guest_uuid
    return domain.spec.uuid if domain.spec.uuid != situation.machine.meta.uid else None


def findings(situation: Situation) -> list[Finding]:
    """Observe the machine, in the order in which a start passes."""
    return [situation.accepted, _scheduled(situation), *(_on_node(situation, name) for name in ON_NODE)]


def ready(situation: Situation, said: Sequence[Finding]) -> Finding:
    """Sum up whether the machine is as its spec says."""
    desired = situation.machine.spec.power_state
    if situation.accepted.status == "True" and situation.at_rest and desired in power.ON:
        words = "Running: it stopped by itself, and its restart policy leaves it so"
        return Finding("Ready", "False", "RestartPolicy", words)
    if situation.accepted.status != "True" or desired == "Running":
        return summary(_telling(situation, said))
    if desired == "Paused":
        return summary([*said[:4], _paused(situation)])
    if situation.at_rest:
        return Finding("Ready", "True", "AsSpecified")
    if situation.silent:
        return summary(said)
    return Finding("Ready", "False", "Stopping", "Running: the guest is not off yet")


def _telling(situation: Situation, said: Sequence[Finding]) -> Sequence[Finding]:
    """Leave out what only waits while no node has a part in it, if another finding says for what."""
    telling = [each for each in said if each.reason != "Waiting"]
    return telling if situation.domain is None and any(each.status == "False" for each in telling) else said


def node(situation: Situation) -> str | None:
    """Node that holds the machine, or is about to."""
    if situation.domain:
        return situation.domain.spec.node_name
    return (situation.anchor.node or None) if situation.anchor else None


def addresses(situation: Situation) -> list[GuestAddress] | None:
    """List the addresses by interface: those of the guest in flight, else those allocated for the next start."""
    live = situation.domain.status.live if situation.domain else None
    if live is not None:
        return [_live_address(text.split()) for text in live.interfaces] or None
    return [found for each in situation.effective.interfaces if (found := _held_address(each, situation))] or None


def _live_address(words: Sequence[str]) -> GuestAddress:
    """Read an interface as the record of a guest in flight has it."""
    name, _, mac, ips, *_ = words
    by_family = {family_of(ip): ip for ip in ips.split(",") if ip != NO_ADDRESS}
    return GuestAddress(interface=name, ip=by_family.get(4), ipv6=by_family.get(6), mac=mac)


def _held_address(interface: EffectiveInterface, situation: Situation) -> GuestAddress | None:
    found = {family: held.spec for (name, family), held in situation.held.items() if name == interface.name}
    if not found:
        return None
    mac = interface.mac or next(iter(found.values())).mac_address
    ips = {family: spec.address for family, spec in found.items()}
    return GuestAddress(interface=interface.name, ip=ips.get(4), ipv6=ips.get(6), mac=mac)


def timeline(situation: Situation) -> StartTimeline | None:
    """Say when the latest start passed each step; a step of an earlier start is left out."""
    before = situation.machine.status.start_timeline
    pod = situation.anchor
    accepted = pod.meta.created if pod else before.accepted if before else None
    scheduled = _bound_at(pod) if pod else before.scheduled if before else None
    told = situation.domain.status.timeline if situation.domain else None
    steps = {name: getattr(told, name) if told else None for name in ("prepared", "started", "ready")}
    later = {name: time for name, time in steps.items() if time and not _before(time, accepted)}
    if not (accepted or later):
        return None
    return StartTimeline(accepted=accepted or None, scheduled=scheduled or None, **later)


def _before(time: str, start: str | None) -> bool:
    """Tell whether a time is of an earlier start; compared as times, for one has fractions of a second."""
    return bool(start) and parse(time) < parse(start or "")


def _scheduled(situation: Situation) -> Finding:
    trouble = situation.found.trouble
    if trouble and trouble.type == "Scheduled":
        return trouble
    if situation.at_rest:
        return Finding("Scheduled", "False", "NotNeeded", "the machine is off")
    if beyond := _beyond(situation):
        return beyond
    domain = situation.domain
    lost = domain is not None and domain.spec.power_state in power.ON and not _off(domain)
    pod = situation.anchor
    if lost and pod and not situation.holding:
        # A pod that is bound elsewhere does not book what the guest uses.
        return anchor.scheduled(None if pod.node else pod, lost=True)
    return anchor.scheduled(pod, lost=lost)


def _beyond(situation: Situation) -> Finding | None:
    """Say why a guest that is off cannot start where it is or must be: the agent there is of another release."""
    domain, pod = situation.domain, situation.anchor
    if domain is not None and not _off(domain):
        return None
    node = (pod.node if pod else "") or (situation.pins[0] if situation.pins else "")
    return situation.found.skew.find(node)


def _off(domain: DomainView) -> bool:
    return domain.status.state in power.OFF_STATES


def _on_node(situation: Situation, name: str) -> Finding:
    domain = situation.domain
    if domain is not None and situation.silent:
        return _lost(situation, domain, name)
    told = find(domain.status.conditions, name) if domain else None
    for problem in (situation.found.trouble, situation.blocked):
        # Of what is yet to be made the node knows nothing; how its guest is nobody else knows.
        if problem and problem.type == name and (told is None or name in MADE_FIRST):
            return problem
    unable = situation.unable
    if told is not None and unable and unable.type == name and told.status == "True":
        return unable
    if told is not None:
        return Finding(name, told.status, told.reason, told.message)
    if situation.at_rest:
        return Finding(name, "False", "Stopped", "the machine is off")
    return Finding(name, "False", "Waiting", _awaited(situation))


def _lost(situation: Situation, domain: DomainView, name: str) -> Finding:
    """Say of a node that gives no sign of life what is known all the same."""
    node = domain.spec.node_name
    if not situation.down:
        return Finding(name, "Unknown", "NodeLost", f"the agent on {node} gives no sign of life")
    kept = "" if not situation.wants else ", and what the machine needs is there" if situation.pins else ""
    return Finding(name, "False", "NodeFenced", f"{node} is off{kept}")


def _awaited(situation: Situation) -> str:
    pod = situation.anchor
    if situation.domain is not None:
        return "waits for the node's agent"
    if pod and pod.node in situation.found.lost:
        return f"waits for the agent on {pod.node}, which gives no sign of life"
    return "waits for a node"


def _lost_with_node(situation: Situation, now: str) -> LastStop | None:
    """Tell of a guest that went off with its node; what was told of it once stays."""
    found, before = situation.found, situation.machine.status.last_stop
    lost = found.domains[-1] if found.domains else None
    if lost is None or not found.is_off(lost) or not power.was_on(lost):
        return None
    detail = f"{lost.meta.key.name} went off with {lost.spec.node_name}"
    if before is not None and before.detail == detail:
        return before
    return LastStop(reason="HostFailure", actor="node", time=now, detail=detail)


def _paused(situation: Situation) -> Finding:
    domain = situation.domain
    if domain and not situation.silent and domain.status.state == "Paused":
        return Finding("Running", "True", "Paused")
    found = _on_node(situation, "Running")
    return found if found.status != "True" else Finding("Running", "False", "Pausing", "the guest still runs")


def _next_spec(situation: Situation) -> DomainSpec | None:
    domain = situation.domain
    if domain is None or not situation.complete:
        return None
    found = situation.found
    parts = Parts(found.machine.meta, situation.latest, found.catalog, situation.held)
    wish = power.first_wish(found.machine)
    before = domain.spec
    return domainspec.build(parts, node=before.node_name, epoch=before.epoch, wish=wish, before=before)


def _told(domain: DomainView | None) -> DomainStatus:
    """What the node says, if it has looked at what is asked for now."""
    current = domain is not None and domain.status.observed_generation == domain.meta.generation
    return domain.status if domain is not None and current else DomainStatus()


def _kept(told: int | None, before: int | None) -> int | None:
    return before if told is None else told


def _bound_at(pod: Pod) -> str:
    return pod.scheduled_at if pod.scheduled == "True" else ""


def differs(new: VirtualMachineStatus, old: VirtualMachineStatus) -> bool:
    """Tell whether a status says something new; the API server may have put keyed lists in another order."""
    return _ordered(new) != _ordered(old)


def _ordered(status: VirtualMachineStatus) -> VirtualMachineStatus:
    return status.model_copy(
        update={
            "conditions": sorted(status.conditions or [], key=lambda each: each.type),
            "addresses": sorted(status.addresses or [], key=lambda each: each.interface),
            "pending_changes": sorted(status.pending_changes or [], key=lambda each: each.path),
            "detached_volumes": sorted(status.detached_volumes or []),
        }
    )
