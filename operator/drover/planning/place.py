"""The machine's place: which anchors hold nothing and are given up, and when the next one is booked."""

from collections.abc import Iterator

from drover.api import kinds
from drover.planning import anchor, hardware, names, power
from drover.planning.action import Action, AddFinalizer, Create
from drover.planning.anchor import Placement
from drover.planning.found import Situation
from drover.planning.node import is_off
from drover.planning.teardown import release
from drover.planning.view import DomainView
from drover.planning.volume import fresh
from drover.state.pod import Pod

AVOIDED = 100
"""Nodes that one anchor can name to keep away from."""


def surrender(situation: Situation) -> Iterator[Action]:
    """Give up the places that hold nothing, or nothing any more."""
    for pod in situation.found.anchors:
        if _to_release(situation, pod):
            yield release(pod, off=is_off(situation.found.lost.get(pod.node), None))
        elif not pod.meta.deleting and names.FINALIZER_ANCHOR not in pod.meta.finalizers:
            yield AddFinalizer(kinds.POD, pod.meta, names.FINALIZER_ANCHOR)


def _to_release(situation: Situation, pod: Pod) -> bool:
    if names.FINALIZER_ANCHOR not in pod.meta.finalizers and pod.meta.deleting:
        return False
    if pod.ended:
        return True
    best = situation.anchor is not None and pod.meta.uid == situation.anchor.meta.uid
    if may_be_on(situation, pod):
        return not best and situation.holding
    return bool(pod.meta.deleting) or not best or situation.at_rest or not is_well_placed(situation, pod)


def may_be_on(situation: Situation, pod: Pod) -> bool:
    """Tell whether a guest may be on where the pod is bound."""
    here = (each for each in situation.found.domains if each.spec.node_name == pod.node)
    return bool(pod.node) and any(not _is_off(situation, each) for each in here)


def _is_off(situation: Situation, domain: DomainView) -> bool:
    """Tell whether the guest of an incarnation is off for good, or its node and nothing of it is torn away."""
    if situation.found.is_off(domain):
        return bool(domain.meta.deleting) or not situation.wants
    return power.is_off(domain)


def is_well_placed(situation: Situation, pod: Pod) -> bool:
    """Tell whether an anchor is, or may come to be, where the machine can be."""
    if pod.node:
        unfit = {*situation.found.skew.nodes, *situation.cramped}
        there = (pod.node,) == situation.pins if situation.pins else pod.node not in unfit
        return there and anchor.books(pod, situation.effective)
    made_from = pod.meta.annotation("made-from")
    return not made_from or made_from == anchor.digest(book(situation).body["spec"])


def is_leaving(situation: Situation) -> bool:
    """Tell whether the place is being taken from a guest that gives way."""
    domain = situation.domain
    if domain is None or situation.effective.eviction == "Block" or situation.at_rest:
        return False
    asked = (pod for pod in situation.found.anchors if pod.meta.deleting and not pod.ended)
    # Without our finalizer it is one that we gave up ourselves, or that holds nothing any more.
    return any(pod.node == domain.spec.node_name and names.FINALIZER_ANCHOR in pod.meta.finalizers for pod in asked)


def is_lacking(situation: Situation) -> bool:
    """Tell whether a place is to be booked: not before an old one is given up, unless that one holds nothing."""
    domain = situation.domain
    if situation.anchor is not None and not _to_release(situation, situation.anchor):
        return False
    leaving = any(
        pod.meta.deleting and not pod.ended and may_be_on(situation, pod)
        for pod in situation.found.anchors
        if situation.effective.eviction == "Stop"
    )
    guest_on = domain is not None and not _is_off(situation, domain)
    return not leaving and (situation.sound or guest_on)


def book(situation: Situation) -> Create:
    """Book the next place."""
    found, domain = situation.found, situation.domain
    placement = Placement(
        pins=situation.pins,
        selector=_selector(situation),
        preferred=domain.spec.node_name if domain and not situation.pins else "",
        avoided=_avoided(situation),
    )
    meta = situation.machine.meta
    number = anchor.free_number(found.namesakes)
    pod = anchor.body(meta, situation.machine.spec, situation.effective, number, placement, found.policy)
    return Create(kinds.POD, meta.uid, pod)


def _avoided(situation: Situation) -> tuple[str, ...]:
    silent = {name for name, lost in situation.found.lost.items() if lost.uid}
    beyond = (set(situation.found.skew.nodes) | situation.cramped) - _with_guest(situation)
    return tuple(sorted((silent | beyond) - set(situation.pins)))[:AVOIDED]


def _with_guest(situation: Situation) -> set[str]:
    """Find the node that the guest is on: whatever is said of it, the guest stays."""
    domain = situation.domain
    return {domain.spec.node_name} if domain is not None and not _is_off(situation, domain) else set()


def _kept(situation: Situation) -> Iterator[str]:
    """Find the pools that keep captured images of which disks are to be made."""
    catalog = situation.found.catalog
    for disk in fresh(situation.effective, catalog):
        image = catalog.images.get(disk.image)
        if image is not None and image.status.capture is not None:
            yield image.status.capture.pool


def _selector(situation: Situation) -> tuple[tuple[str, str], ...]:
    catalog, effective = situation.found.catalog, situation.effective
    pools = [catalog.pools.get(name) for name in (*(disk.pool for disk in effective.disks), *_kept(situation))]
    networks = (catalog.networks.get(each.network) for each in effective.interfaces)
    labels = {pair for each in pools if each for pair in (each.spec.node_selector or {}).items()}
    labels |= {pair for each in networks if each for pair in (each.spec.node_selector or {}).items()}
    known = situation.machine.status.resolved
    if runs_on := hardware.nodes(effective.machine, known.architecture if known else None):
        labels.add((anchor.ARCHITECTURE, runs_on))
    return tuple(sorted(labels))
