"""All that one decision about a machine may look at, and what is plain to see from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from drover.planning import anchor, power, references
from drover.planning.address import Allotment, allot
from drover.planning.catalog import Catalog
from drover.planning.conditions import Finding
from drover.planning.resolve import Effective, Policy, resolve
from drover.planning.view import AddressView, DomainView, MachineView, VolumeView
from drover.planning.volume import Provision, provision
from drover.state.pod import Pod


@dataclass(frozen=True, slots=True)
class Found:
    """A machine, what was made for it, and what its spec refers to."""

    machine: MachineView
    catalog: Catalog
    policy: Policy
    domains: tuple[DomainView, ...] = ()
    """Its incarnations, oldest first."""
    anchors: tuple[Pod, ...] = ()
    namesakes: tuple[Pod, ...] = ()
    """Anchors of machines of this name, its own and those of machines before it."""
    owned: tuple[VolumeView, ...] = ()
    """Volumes made for it."""
    addresses: tuple[AddressView, ...] = ()
    silent: str = ""
    """Node of its Domain, when that node's agent gives no sign of life."""
    kind_removed: bool = False
    """Whether the definition of machines is being removed, and this one only with it."""
    closing: bool = False
    """Whether its namespace is being deleted, so that nothing can be created."""
    trouble: Finding | None = None
    """What the API server refused when it was last asked."""

    def told(self, trouble: Finding) -> "Found":
        """Add what the API server refused."""
        return replace(self, trouble=trouble)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is plain to see: where decision and status both start from."""

    found: Found
    effective: Effective
    accepted: Finding
    provision: Provision
    allotment: Allotment
    blocked: Finding | None
    """What others hold that the machine needs."""
    domain: DomainView | None
    """Its latest incarnation."""
    anchor: Pod | None
    """Its best anchor."""
    wants: bool
    """Whether it should have a place on a node."""

    @property
    def machine(self) -> MachineView:
        """The machine."""
        return self.found.machine

    @property
    def sound(self) -> bool:
        """Whether the machine can be made as its spec stands."""
        return self.accepted.status == "True" and self.blocked is None

    @property
    def complete(self) -> bool:
        """Whether every volume and address is there."""
        return self.sound and self.provision.ready and not self.allotment.claims

    @property
    def at_rest(self) -> bool:
        """Whether no guest is on and none will be started: no place is needed."""
        return not self.wants and (self.domain is None or power.is_off(self.domain))

    @property
    def holding(self) -> bool:
        """Whether a place is booked on the node of the latest incarnation."""
        return bool(self.domain and self.anchor and anchor.holds(self.anchor, self.domain.spec.node_name))

    @property
    def held(self) -> Mapping[str, AddressView]:
        """Allocations by interface."""
        return self.allotment.held


def assess(found: Found) -> Situation:
    """Take in what was found."""
    machine, catalog = found.machine, found.catalog
    meta = machine.meta
    effective = resolve(meta.key.name, machine.spec, catalog, found.policy)
    domain = found.domains[-1] if found.domains else None
    provided = provision(meta.uid, effective, catalog, found.domains)
    allotted = allot(meta.uid, effective, found.addresses, _present(machine, domain))
    # By ownership alone: an annotation anybody can write, and a pod of somebody's own books nothing for the guest.
    owned = [pod for pod in found.anchors if pod.meta.owner == meta.uid]
    anchors = anchor.usable(owned, domain.spec.node_name if domain else "")
    return Situation(
        found=found,
        effective=effective,
        accepted=_refused(found, "Accepted") or references.accepted(effective, catalog),
        provision=provided,
        allotment=allotted,
        blocked=provided.blocked or _network_blocked(meta.uid, effective, catalog, allotted),
        domain=domain,
        anchor=anchors[0] if anchors else None,
        wants=power.wants_place(machine, domain),
    )


def pins(situation: Situation) -> tuple[str, ...]:
    """Nodes the machine cannot leave: those with data of its volumes, and the one with its memory."""
    domain = situation.domain
    memory = {domain.spec.node_name} if domain and not domain.meta.deleting and power.has_memory(domain) else set()
    return tuple(sorted(memory | set(situation.provision.pins)))


def _present(machine: MachineView, domain: DomainView | None) -> dict[str, str]:
    """Address of each interface, as the latest incarnation or else the status has it."""
    if domain:
        return {each.name: each.ip for each in domain.spec.interfaces}
    return {each.interface: each.ip for each in machine.status.addresses or [] if each.ip}


def _refused(found: Found, kind: str) -> Finding | None:
    return found.trouble if found.trouble and found.trouble.type == kind else None


def _network_blocked(uid: str, effective: Effective, catalog: Catalog, allotted: Allotment) -> Finding | None:
    for reason, message in references.clashes(uid, effective, catalog):
        return Finding("NetworkReady", "False", reason, message)
    for claim in allotted.claims:
        if not claim.address and not claim.reserve_mac and claim.network in catalog.exhausted:
            return Finding(
                "NetworkReady",
                "False",
                "NoFreeAddress",
                f"interface {claim.interface}: every address of {claim.network} is taken",
            )
    return None
