"""What to do about a machine: one decision from all that was found, the same at every instant of its life."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drover.api import kinds
from drover.api.domain import DomainSpec
from drover.api.virtualmachine import VirtualMachineStatus
from drover.planning import address, anchor, domainspec, names, power, teardown, volume
from drover.planning import virtualmachine_status as said
from drover.planning.action import (
    Action,
    AddFinalizer,
    Allocate,
    Create,
    CreateDomain,
    Delete,
    Disown,
    Stage,
    TakeVolume,
    UpdateSpec,
)
from drover.planning.anchor import Placement
from drover.planning.domainspec import Parts
from drover.planning.found import Found, Situation, assess, pins
from drover.planning.ownership import reference
from drover.planning.phase import settled
from drover.planning.view import DomainView
from drover.state.pod import Pod


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, stage after stage, and what to say."""

    stages: tuple[Stage, ...] = ()
    status: VirtualMachineStatus | None = None
    """``None`` when nothing is to be said."""
    settled: bool = False
    """Whether the status is worth telling at once; else it may pass before anybody has read it."""


def decide(found: Found, *, now: str) -> Decision:
    """Decide about a machine; `now` is a time as conditions have it."""
    situation = assess(found)
    if found.machine.meta.deleting:
        return Decision(teardown.stages(situation), teardown.status(situation, now=now))
    status = said.status(situation, now=now)
    stages = (_finalizer(situation), tuple(_places(situation)), tuple(_children(situation)), tuple(_domain(situation)))
    return Decision(
        stages=tuple(stage for stage in (*stages, tuple(_leftovers(situation))) if stage),
        status=status,
        settled=settled(situation, status.phase or ""),
    )


def _finalizer(situation: Situation) -> Stage:
    meta = situation.machine.meta
    if names.FINALIZER_MACHINE in meta.finalizers:
        return ()
    return (AddFinalizer(kinds.VIRTUALMACHINE, meta, names.FINALIZER_MACHINE),)


def _places(situation: Situation) -> Iterator[Action]:
    """Give up the places that hold nothing, or nothing any more."""
    for pod in situation.found.anchors:
        if _to_release(situation, pod):
            yield teardown.release(pod)
        elif not pod.meta.deleting and names.FINALIZER_ANCHOR not in pod.meta.finalizers:
            yield AddFinalizer(kinds.POD, pod.meta, names.FINALIZER_ANCHOR)


def _to_release(situation: Situation, pod: Pod) -> bool:
    if names.FINALIZER_ANCHOR not in pod.meta.finalizers and pod.meta.deleting:
        return False
    if pod.ended:
        return True
    if may_be_on(situation.found.domains, pod):
        return False
    best = situation.anchor is not None and pod.meta.uid == situation.anchor.meta.uid
    return bool(pod.meta.deleting) or not best or situation.at_rest or not _well_placed(situation, pod)


def may_be_on(domains: Iterable[DomainView], pod: Pod) -> bool:
    """Tell whether a guest may be on where the pod is bound."""
    return bool(pod.node) and any(each.spec.node_name == pod.node and not power.is_off(each) for each in domains)


def _well_placed(situation: Situation, pod: Pod) -> bool:
    needed = pins(situation)
    return not pod.node or not needed or (pod.node,) == needed


def _children(situation: Situation) -> Iterator[Action]:
    found = situation.found
    if found.closing or not situation.wants:
        return
    if situation.sound:
        yield from _volumes(situation)
        yield from _addresses(situation)
    if _lacks_place(situation):
        yield _new_anchor(situation)


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
        window = address.window(situation.found.catalog.networks[claim.network])
        yield Allocate(claim, situation.machine.meta, window)


def _lacks_place(situation: Situation) -> bool:
    """Tell whether a place is to be booked: not before an old one is given up, unless that one holds nothing."""
    domain = situation.domain
    if situation.anchor is not None and not _to_release(situation, situation.anchor):
        return False
    leaving = any(
        pod.meta.deleting and not pod.ended and may_be_on(situation.found.domains, pod)
        for pod in situation.found.anchors
    )
    guest_on = domain is not None and not power.is_off(domain)
    return not leaving and (situation.sound or guest_on)


def _new_anchor(situation: Situation) -> Create:
    found, domain = situation.found, situation.domain
    placement = Placement(
        pins=pins(situation),
        selector=_selector(situation),
        preferred=domain.spec.node_name if domain and not pins(situation) else "",
    )
    meta = situation.machine.meta
    number = anchor.free_number(found.namesakes)
    pod = anchor.body(meta, situation.machine.spec, situation.effective, number, placement, found.policy)
    return Create(kinds.POD, meta.uid, pod)


def _selector(situation: Situation) -> tuple[tuple[str, str], ...]:
    catalog, effective = situation.found.catalog, situation.effective
    pools = (catalog.pools.get(disk.pool) for disk in effective.disks)
    networks = (catalog.networks.get(each.network) for each in effective.interfaces)
    labels = {pair for each in pools if each for pair in (each.spec.node_selector or {}).items()}
    labels |= {pair for each in networks if each for pair in (each.spec.node_selector or {}).items()}
    return tuple(sorted(labels))


def _domain(situation: Situation) -> Iterator[Action]:
    domain, found = situation.domain, situation.found
    for outdated in found.domains[:-1]:
        if not outdated.meta.deleting:
            yield Delete(kinds.DOMAIN, outdated.meta)
    if domain is None:
        yield from _first_domain(situation)
    elif _left_behind(situation, domain):
        yield Delete(kinds.DOMAIN, domain.meta)
    elif not domain.meta.deleting:
        spec = next_spec(situation, domain)
        if spec != domain.spec:
            yield teardown.update_domain(domain, spec)


def _first_domain(situation: Situation) -> Iterator[CreateDomain]:
    pod, machine = situation.anchor, situation.machine
    if pod is None or not pod.node or not situation.complete or not situation.wants or situation.found.closing:
        return
    if not _well_placed(situation, pod):
        return
    spec = domainspec.build(
        _parts(situation), node=pod.node, epoch=next_epoch(situation), wish=power.first_wish(machine)
    )
    content = domainspec.body(spec, reference(machine.meta), machine.meta.key.namespace)
    yield CreateDomain(machine.meta, content)


def next_epoch(situation: Situation) -> int:
    """Number of the next incarnation: higher than any that is known of."""
    known = [domain.spec.epoch for domain in situation.found.domains]
    return 1 + max([situation.machine.status.epoch or 0, *known])


def _left_behind(situation: Situation, domain: DomainView) -> bool:
    """Tell whether the machine is about to start on another node than the one that has its Domain."""
    pod = situation.anchor
    elsewhere = pod is not None and bool(pod.node) and pod.node != domain.spec.node_name
    movable = not power.has_memory(domain) and not situation.provision.pins
    return situation.wants and elsewhere and movable and not domain.meta.deleting and not situation.found.silent


def next_spec(situation: Situation, domain: DomainView) -> DomainSpec:
    """What the present Domain is to be told."""
    evicted = not situation.holding and any(
        pod.meta.deleting and not pod.ended and pod.node == domain.spec.node_name for pod in situation.found.anchors
    )
    # A guest that is off starts only as its spec says, whole; one that is on goes on though its spec has become unfit.
    held = situation.holding and (situation.complete or not power.is_off(domain))
    wish = power.wish(situation.machine, domain, held=held, evicted=evicted)
    starting = situation.wants and situation.holding
    # Of a machine that is off nothing is in flight: a disk that was taken from it is free for others at once.
    idle = situation.at_rest and domain.status.state == "Stopped"
    if not (situation.complete and (starting or idle)):
        effective = situation.effective
        kept = domain.spec.model_copy(update={"termination_grace_period_seconds": effective.grace})
        return power.apply(kept, wish)
    spec = domainspec.build(
        _parts(situation), node=domain.spec.node_name, epoch=domain.spec.epoch, wish=wish, before=domain.spec
    )
    return domainspec.settle(spec, domain.spec)


def _parts(situation: Situation) -> Parts:
    found = situation.found
    return Parts(found.machine.meta, situation.effective, found.catalog, situation.held)


def _leftovers(situation: Situation) -> Iterator[Action]:
    """Let go of what the spec does not ask for any more, once no guest uses it."""
    meta, domain = situation.machine.meta, situation.domain
    for volume_meta in volume.to_disown(meta, situation.effective, situation.found.owned):
        yield Disown(volume_meta, meta.uid)
    # The first spec of a Domain is all that its guest was ever given.
    known = domain is None or domain.status.live is None or domain.meta.generation == 1
    if known and situation.complete:
        in_domain = {(each.network, each.ip) for each in (domain.spec.interfaces if domain else [])}
        for each in situation.found.addresses:
            surplus = each.meta in situation.allotment.surplus
            if surplus and (each.spec.network, each.spec.address) not in in_domain:
                yield Delete(kinds.ADDRESS, each.meta)
