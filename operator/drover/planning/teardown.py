"""Deleting a machine: guest, place, addresses, volumes, in this order; no step needs a create."""

from collections.abc import Iterator

from drover.api import kinds
from drover.api.domain import DomainSpec
from drover.api.virtualmachine import VirtualMachineStatus
from drover.planning import budget, names, power, volume
from drover.planning import virtualmachine_status as said
from drover.planning.action import Action, Delete, Disown, LetGo, ReleaseAnchor, RemoveFinalizer, Stage, UpdateSpec
from drover.planning.anchor import RELEASE_GRACE_SECONDS
from drover.planning.conditions import Finding, find, stamp
from drover.planning.found import Situation
from drover.planning.node import is_off
from drover.planning.view import DomainView
from drover.state.pod import Pod

GOING = "the machine is being deleted"


def release(pod: Pod, *, off: bool = False) -> ReleaseAnchor:
    """Give up the place of an anchor; `off`: its node is, so nobody ends it.

    One that goes slowly is taken out of the books by force: a kubelet that has begun to end a pod with a long grace
    heeds no shorter one. Its process sleeps until that is over.
    """
    slowly = bool(pod.meta.deleting) and (pod.grace or 0) > RELEASE_GRACE_SECONDS
    return ReleaseAnchor(pod.meta, delete=off or slowly or not pod.meta.deleting, force=off or slowly)


def update_domain(domain: DomainView, spec: DomainSpec) -> UpdateSpec:
    """Replace a Domain's spec."""
    return UpdateSpec(kinds.DOMAIN, domain.meta, spec.model_dump(mode="json", by_alias=True, exclude_none=True))


def stages(situation: Situation) -> tuple[Stage, ...]:
    """Take the next steps: everything waits for the guest, then all the rest goes at once, the machine last."""
    meta = situation.machine.meta
    if names.FINALIZER_MACHINE not in meta.finalizers:
        return ()
    domains = situation.found.domains
    if domains:
        endings = (*budget.steps(situation), *(action for domain in domains for action in _end(situation, domain)))
        return (endings,) if endings else ()
    let_go = RemoveFinalizer(kinds.VIRTUALMACHINE, meta, names.FINALIZER_MACHINE)
    return tuple(stage for stage in (tuple(_remains(situation)), (let_go,)) if stage)


def status(situation: Situation, *, now: str) -> VirtualMachineStatus:
    """Say that the machine is going, and what keeps it."""
    meta, before = situation.machine.meta, situation.machine.status
    going = [finding for finding in said.findings(situation) if finding.type != "Accepted"]
    blocked = _blocked(situation)
    waits = blocked.status == "True"
    ready = Finding("Ready", "False", "DeletionBlocked" if waits else "Terminating", blocked.message or GOING)
    kept = [blocked] if waits or find(before.conditions, "DeletionBlocked") else []
    conditions = [situation.accepted, *going, ready, *kept]
    return before.model_copy(
        update={
            "observed_generation": meta.generation,
            "phase": "Terminating",
            "conditions": stamp(conditions, before.conditions or [], now=now, generation=meta.generation),
        }
    )


def _blocked(situation: Situation) -> Finding:
    found = situation.found
    domain = next((each for each in found.domains if found.is_silent(each) and not found.is_gone(each)), None)
    if domain is None:
        return Finding("DeletionBlocked", "False", "NotBlocked")
    node = domain.spec.node_name
    words = f"{node} has to clean up Domain {domain.meta.key.name}, but its agent gives no sign of life"
    remedy = f"bring {node} back or, if it is off for good, remove it: kubectl delete node {node}"
    return Finding("DeletionBlocked", "True", "NodeLost", f"{words}: {remedy}")


def _end(situation: Situation, domain: DomainView) -> Iterator[Action]:
    found, grace = situation.found, situation.effective.grace
    if found.is_gone(domain) and domain.meta.deleting:
        yield from let_go(situation, domain)
    elif found.is_left(domain):
        return
    elif domain is found.domains[-1] and _has_time(domain, grace):
        spec = domain.spec.model_copy(update={"termination_grace_period_seconds": grace})
        yield update_domain(domain, spec)
    elif not domain.meta.deleting:
        yield Delete(kinds.DOMAIN, domain.meta)


def _has_time(domain: DomainView, grace: int) -> bool:
    """Tell whether a guest is given another time to switch itself off than its Domain says."""
    return domain.spec.termination_grace_period_seconds != grace and not power.is_off(domain)


def let_go(situation: Situation, domain: DomainView) -> Iterator[LetGo]:
    """Let go of an incarnation that is being deleted and whose node is gone: its agent cannot."""
    if domain.meta.deleting and situation.found.is_gone(domain) and names.FINALIZER_AGENT in domain.meta.finalizers:
        yield LetGo(domain, situation.machine.meta)


def _remains(situation: Situation) -> Iterator[Action]:
    found, meta = situation.found, situation.machine.meta
    yield from budget.steps(situation)
    for pod in found.anchors:
        if names.FINALIZER_ANCHOR in pod.meta.finalizers or not pod.meta.deleting:
            yield release(pod, off=is_off(found.lost.get(pod.node), None))
    if found.kind_removed:
        yield from (Disown(each.meta, meta.uid) for each in found.owned if each.meta.owner == meta.uid)
        return
    for each in found.addresses:
        if not each.meta.deleting:
            yield Delete(kinds.ADDRESS, each.meta)
    for volume_meta in volume.to_delete(meta, situation.effective, found.owned):
        yield Delete(kinds.VOLUME, volume_meta)
    for volume_meta in volume.to_disown(meta, situation.effective, found.owned):
        yield Disown(volume_meta, meta.uid)
