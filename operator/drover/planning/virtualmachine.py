"""What to do about a machine: one decision from all that was found, the same at every instant of its life."""

from collections.abc import Iterator
from dataclasses import dataclass

from drover.api import kinds
from drover.api.domain import DomainSpec
from drover.api.virtualmachine import VirtualMachineStatus
from drover.planning import address, anchor, budget, domainspec, live, names, place, power, teardown, volume
from drover.planning import virtualmachine_status as said
from drover.planning.action import (
    Abandon,
    Action,
    AddFinalizer,
    Allocate,
    Create,
    CreateDomain,
    Delete,
    Disown,
    LetGo,
    Stage,
    TakeVolume,
    UpdateSpec,
)
from drover.planning.domainspec import Parts
from drover.planning.found import Found, Situation, assess
from drover.planning.ownership import reference
from drover.planning.phase import settled
from drover.planning.power import Wish
from drover.planning.view import AddressView, DomainView


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, stage after stage, and what to say."""

    stages: tuple[Stage, ...] = ()
    status: VirtualMachineStatus | None = None
    """``None`` when nothing is to be said."""
    settled: bool = False
    """Whether the status is worth telling at once; else it may pass before anybody has read it."""
    first: bool = False
    """Whether it is to be told before anything is done: what it says is not found out again."""


def decide(found: Found, *, now: str) -> Decision:
    """Decide about a machine; `now` is a time as conditions have it."""
    situation = assess(found)
    if found.machine.meta.deleting:
        return Decision(teardown.stages(situation), teardown.status(situation, now=now))
    status = said.status(situation, now=now)
    steps = (place.surrender, _children, _domain, _leftovers, budget.steps)
    stages = (_finalizer(situation), *(tuple(step(situation)) for step in steps))
    return Decision(
        stages=tuple(stage for stage in stages if stage),
        status=status,
        settled=settled(situation, status.phase or ""),
        first=status.last_stop != found.machine.status.last_stop and any(_ends(stage) for stage in stages),
    )


def _ends(stage: Stage) -> bool:
    """Tell whether an incarnation ends here, and with it what its agent has told."""
    return any(
        isinstance(each, (Abandon, LetGo)) or (isinstance(each, Delete) and each.kind == kinds.DOMAIN) for each in stage
    )


def _finalizer(situation: Situation) -> Stage:
    meta = situation.machine.meta
    if names.FINALIZER_MACHINE in meta.finalizers:
        return ()
    return (AddFinalizer(kinds.VIRTUALMACHINE, meta, names.FINALIZER_MACHINE),)


def _children(situation: Situation) -> Iterator[Action]:
    found = situation.found
    if found.closing or not situation.wants:
        return
    if situation.adoption.steps:
        yield from situation.adoption.steps
    elif situation.sound:
        yield from _volumes(situation)
        yield from _addresses(situation)
    if place.is_lacking(situation):
        yield place.book(situation)


def _volumes(situation: Situation) -> Iterator[Action]:
    meta, provision = situation.machine.meta, situation.provision
    for disk in provision.create:
        yield Create(kinds.VOLUME, meta.uid, volume.body(disk, meta))
    for taken in provision.take:
        yield TakeVolume(taken, meta.uid)
    for each, size in provision.grow:
        yield UpdateSpec(kinds.VOLUME, each.meta, volume.grown(each, size))


def _addresses(situation: Situation) -> Iterator[Action]:
    for claim in situation.allotment.claims:
        windows = address.windows(situation.found.catalog.networks[claim.network], claim.family)
        yield Allocate(claim, situation.machine.meta, windows)


def _domain(situation: Situation) -> Iterator[Action]:
    domain = situation.domain
    yield from _earlier(situation)
    if domain is None:
        yield from _first_domain(situation)
    elif _is_torn_away(situation, domain):
        yield Abandon(domain)
    elif _left_behind(situation, domain):
        yield Delete(kinds.DOMAIN, domain.meta)
    elif not domain.meta.deleting:
        spec = next_spec(situation, domain)
        if spec != domain.spec:
            yield teardown.update_domain(domain, spec)


def _earlier(situation: Situation) -> Iterator[Action]:
    """End the incarnations before the latest, and let go of those whose node is gone."""
    for outdated in situation.found.domains[:-1]:
        if not outdated.meta.deleting:
            yield Delete(kinds.DOMAIN, outdated.meta)
    for each in situation.found.domains:
        yield from teardown.let_go(situation, each)


def _first_domain(situation: Situation) -> Iterator[CreateDomain]:
    pod, machine = situation.anchor, situation.machine
    if pod is None or not pod.node or not situation.complete or not situation.wants or situation.found.closing:
        return
    unfit = pod.node in situation.found.lost or pod.node in situation.found.skew.nodes
    if unfit or not place.is_well_placed(situation, pod):
        return
    spec = domainspec.build(
        _parts(situation), node=pod.node, epoch=next_epoch(situation), wish=power.first_wish(machine)
    )
    spec = _on_node_object(situation, spec)
    content = domainspec.body(spec, reference(machine.meta), machine.meta.key.namespace)
    yield CreateDomain(machine.meta, content, situation.left)


def next_epoch(situation: Situation) -> int:
    """Number of the next incarnation: higher than any that is known of."""
    known = [domain.spec.epoch for domain in situation.found.domains]
    left = (situation.left.orphan.epoch or 0) if situation.left else 0
    return 1 + max([situation.machine.status.epoch or 0, left, *known])


def _is_torn_away(situation: Situation, domain: DomainView) -> bool:
    """Tell whether a machine whose guest went off with its node can start elsewhere, and nothing keeps it there."""
    free = not situation.pins and not situation.found.closing and not domain.meta.deleting
    return situation.down and free and situation.wants and situation.complete


def _left_behind(situation: Situation, domain: DomainView) -> bool:
    """Tell whether the machine is about to start on another node than the one that has its Domain."""
    pod = situation.anchor
    elsewhere = pod is not None and bool(pod.node) and pod.node != domain.spec.node_name
    bound = bool(situation.provision.pins) or domain.spec.node_name in situation.pins
    movable = not power.has_memory(domain) and not bound
    return situation.wants and elsewhere and movable and not domain.meta.deleting and not situation.silent


def next_spec(situation: Situation, domain: DomainView) -> DomainSpec:
    """What the present Domain is to be told."""
    return _on_node_object(situation, _next_spec(situation, domain))


def _on_node_object(situation: Situation, spec: DomainSpec) -> DomainSpec:
    """Note which Node object it is on, as long as its agent is heard."""
    uid = situation.found.node_uids.get(spec.node_name)
    return spec.model_copy(update={"node_uid": uid}) if uid else spec


def _next_spec(situation: Situation, domain: DomainView) -> DomainSpec:
    wish = _wish(situation, domain)
    starting = situation.wants and situation.holding
    if starting and situation.renews and situation.sound and not situation.complete:
        # The restart that brings another revision waits for what that needs, or it would start the old one.
        return domain.spec
    # Of a machine that is off nothing is in flight: a disk that was taken from it is free for others at once.
    idle = situation.at_rest and domain.status.state == "Stopped"
    # An agent of another release may read it otherwise than it is meant, and starts its guests by what it has.
    beyond = domain.spec.node_name in situation.found.skew.nodes
    # What is saved was saved with all that it had: it wakes with that, and is given the rest when it runs.
    asleep = power.saves_memory(domain) and not power.restart_requested(situation.machine, domain)
    if beyond or asleep or not (situation.complete and (starting or idle)):
        by = domainspec.actor(situation.machine.meta)
        told = {"termination_grace_period_seconds": situation.effective.grace, "actor": by}
        return domainspec.settle(power.apply(domain.spec.model_copy(update=told), wish), domain.spec)
    spec = domainspec.build(
        _parts(situation), node=domain.spec.node_name, epoch=domain.spec.epoch, wish=wish, before=domain.spec
    )
    pod = situation.anchor
    if starting and pod is not None and not anchor.covers(pod, situation.effective):
        # The agent may start the guest anew at any moment, and what is not booked is not there.
        spec = spec.model_copy(update={"machine": domain.spec.machine})
    return domainspec.settle(spec, domain.spec)


def _wish(situation: Situation, domain: DomainView) -> Wish:
    """What the present Domain is told about power."""
    pod, off = situation.anchor, power.is_off(domain)
    booked = pod is None or anchor.books(pod, situation.effective)
    evicted = not situation.holding and place.is_leaving(situation)
    # A guest that is off starts only as its spec says, whole; one that is on goes on though its spec has become unfit.
    fit = situation.complete and booked and domain.spec.node_name not in situation.found.skew.nodes
    held = situation.holding and (fit or not off)
    return power.wish(situation.machine, domain, held=held, evicted=evicted, rebooked=held and not booked)


def _parts(situation: Situation) -> Parts:
    found = situation.found
    guest = situation.left.orphan.uuid if situation.left else found.machine.status.guest_uuid or ""
    return Parts(found.machine.meta, situation.effective, found.catalog, situation.held, guest, found.machine.status)


def _leftovers(situation: Situation) -> Iterator[Action]:
    """Let go of what the spec does not ask for any more, once no guest uses it."""
    meta, domain = situation.machine.meta, situation.domain
    for volume_meta in volume.to_disown(meta, situation.effective, situation.found.owned):
        yield Disown(volume_meta, meta.uid)
    if situation.complete and _is_told(domain):
        used = _addresses_in_use(domain)
        for each in situation.found.addresses:
            held = each.spec.network, each.spec.address or each.spec.mac_address
            if each.meta in situation.allotment.surplus and held not in used:
                yield Delete(kinds.ADDRESS, each.meta)
    elif situation.accepted.status == "True" and _waits(domain):
        yield from (
            Delete(kinds.ADDRESS, each.meta) for each in situation.found.addresses if _given_up(situation, each)
        )


def _waits(domain: DomainView | None) -> bool:
    """Tell whether nothing of a guest is in flight or saved, and its next start needs another order than it has."""
    return domain is None or (power.is_off(domain) and domain.status.state == "Stopped")


def _given_up(situation: Situation, held: AddressView) -> bool:
    """Tell whether the spec names another address in place of one: two machines may wait for each other's."""
    place = held.spec.interface, held.spec.network
    asked = {(each.interface, each.network) for each in situation.allotment.claims if each.address}
    return held.spec.address is not None and held.meta in situation.allotment.surplus and place in asked


def _is_told(domain: DomainView | None) -> bool:
    """Tell whether it is known what a guest in flight has; the first spec of a Domain is all that it was ever given."""
    return domain is None or domain.status.live is None or domain.meta.generation == 1 or power.current(domain)


def _addresses_in_use(domain: DomainView | None) -> set[tuple[str, str]]:
    """Addresses of both layers, with their networks, that a guest is to be given, or has in flight still."""
    if domain is None:
        return set()
    ordered = {(each.network, one) for each in domain.spec.interfaces for one in (each.mac, each.ip, each.ipv6)}
    return ordered | set(live.addresses(domain.status.live))
