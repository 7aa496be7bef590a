"""Deleting a machine: guest, place, addresses, volumes, in this order; no step needs a create."""

from collections.abc import Iterator

from drover.api import kinds
from drover.api.domain import DomainSpec
from drover.api.virtualmachine import VirtualMachineStatus
from drover.planning import names, power, volume
from drover.planning import virtualmachine_status as said
from drover.planning.action import Action, Delete, Disown, ReleaseAnchor, RemoveFinalizer, Stage, UpdateSpec
from drover.planning.anchor import RELEASE_GRACE_SECONDS
from drover.planning.conditions import Finding, find, stamp
from drover.planning.found import Situation
from drover.planning.view import DomainView
from drover.state.pod import Pod

GOING = "the machine is being deleted"


def release(pod: Pod) -> ReleaseAnchor:
    """Give up the place of an anchor, at once even if it was to go slowly."""
    going_soon = pod.meta.deleting and (pod.grace or 0) <= RELEASE_GRACE_SECONDS
    return ReleaseAnchor(pod.meta, delete=not going_soon)


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
        endings = tuple(action for domain in domains for action in _end(situation, domain))
        return (endings,) if endings else ()
    let_go = RemoveFinalizer(kinds.VIRTUALMACHINE, meta, names.FINALIZER_MACHINE)
    return tuple(stage for stage in (tuple(_remains(situation)), (let_go,)) if stage)


def status(situation: Situation, *, now: str) -> VirtualMachineStatus:
    """Say that the machine is going, and what keeps it."""
    meta, before = situation.machine.meta, situation.machine.status
    silent = situation.found.silent
    going = [finding for finding in said.findings(situation) if finding.type != "Accepted"]
    blocked = _blocked(situation)
    ready = Finding("Ready", "False", "DeletionBlocked" if silent else "Terminating", blocked.message or GOING)
    kept = [blocked] if silent or find(before.conditions, "DeletionBlocked") else []
    conditions = [situation.accepted, *going, ready, *kept]
    return before.model_copy(
        update={
            "observed_generation": meta.generation,
            "phase": "Terminating",
            "conditions": stamp(conditions, before.conditions or [], now=now, generation=meta.generation),
        }
    )


def _blocked(situation: Situation) -> Finding:
    silent, domain = situation.found.silent, situation.domain
    if not silent or domain is None:
        return Finding("DeletionBlocked", "False", "NotBlocked")
    remedy = f"bring the node back or, if it is off for good, take the finalizer {names.FINALIZER_AGENT} off"
    words = f"the guest may still be on {silent}, whose agent gives no sign of life"
    return Finding("DeletionBlocked", "True", "NodeLost", f"{words}: {remedy} Domain {domain.meta.key.name}")


def _end(situation: Situation, domain: DomainView) -> Iterator[Action]:
    grace = situation.effective.grace
    if domain.spec.termination_grace_period_seconds != grace and not power.is_off(domain):
        spec = domain.spec.model_copy(update={"termination_grace_period_seconds": grace})
        yield update_domain(domain, spec)
    elif not domain.meta.deleting:
        yield Delete(kinds.DOMAIN, domain.meta)


def _remains(situation: Situation) -> Iterator[Action]:
    found, meta = situation.found, situation.machine.meta
    for pod in found.anchors:
        if names.FINALIZER_ANCHOR in pod.meta.finalizers or not pod.meta.deleting:
            yield release(pod)
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
