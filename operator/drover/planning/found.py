"""All that one decision about a machine may look at, and what is plain to see from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from drover.api.virtualmachine import VirtualMachineSpec
from drover.planning import anchor, node, power, references, room
from drover.planning.address import Allotment, Held, allot
from drover.planning.adoption import NOTHING, Adoption, Left, adopt
from drover.planning.catalog import Catalog
from drover.planning.conditions import Finding
from drover.planning.inheritance import Inheritance
from drover.planning.node import Lost
from drover.planning.resolve import Effective, Policy, resolve
from drover.planning.skew import Skew
from drover.planning.view import AddressView, DomainView, MachineView, VolumeView
from drover.planning.volume import Provision, in_use, is_local, provision
from drover.state.budget import Budget
from drover.state.pod import Pod


@dataclass(frozen=True, slots=True)
class Found:
    """A machine, what was made for it, and what its spec refers to."""

    machine: MachineView
    """Its spec is laid over its plugin's revision already."""
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
    budgets: tuple[Budget, ...] = ()
    """Disruption budgets of its namespace, whoever made them."""
    lost: Mapping[str, Lost] = field(default_factory=dict)
    """Nodes whose agents give no sign of life."""
    skew: Skew = field(default_factory=Skew)
    """Nodes whose agents are of a release that does not go with this one."""
    node_uids: Mapping[str, str] = field(default_factory=dict)
    """uid of the Node object of each other node that has or may get a guest of it."""
    left: tuple[Left, ...] = ()
    """Guests of its name for which no Domain speaks."""
    estate: tuple[AddressView, ...] = ()
    """Allocations of the machines that those were."""
    endpoints: Finding | None = None
    """Whether the Services that mean it lead to it; None when none does."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Version of each Secret that its seed names, by its name, empty for one that is gone; only of those looked at."""
    kind_removed: bool = False
    """Whether the definition of machines is being removed, and this one only with it."""
    closing: bool = False
    """Whether its namespace is being deleted, so that nothing can be created."""
    inherited: Inheritance | None = None
    """What it takes from its plugin."""
    latest: tuple[VirtualMachineSpec, Inheritance] | None = None
    """Spec and inheritance that a restart on request would bring, when that is another revision."""
    trouble: Finding | None = None
    """What the API server refused when it was last asked."""

    def told(self, trouble: Finding) -> "Found":
        """Add what the API server refused."""
        return replace(self, trouble=trouble)

    def is_silent(self, domain: DomainView) -> bool:
        """Tell whether the node of an incarnation gives no sign of life."""
        return domain.spec.node_name in self.lost

    def is_off(self, domain: DomainView) -> bool:
        """Tell whether the guest of an incarnation went off with its node."""
        return node.is_off(self.lost.get(domain.spec.node_name), domain.spec.node_uid)

    def is_gone(self, domain: DomainView) -> bool:
        """Tell whether the node of an incarnation was taken out of the cluster."""
        return node.is_gone(self.lost.get(domain.spec.node_name))

    def is_left(self, domain: DomainView) -> bool:
        """Tell whether an incarnation is no more than the order to clean up for a node that is off."""
        return bool(domain.meta.deleting) and self.is_off(domain)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is plain to see: where decision and status both start from."""

    found: Found
    effective: Effective
    latest: Effective
    """The same as a restart on request would bring it."""
    accepted: Finding
    provision: Provision
    allotment: Allotment
    blocked: Finding | None
    """What others hold that the machine needs."""
    unable: Finding | None
    """What its disks ask for beyond what they have, and do not get."""
    cramped: frozenset[str]
    """Nodes without room for its new volumes."""
    domain: DomainView | None
    """Its latest incarnation that is not left behind."""
    anchor: Pod | None
    """Its best anchor."""
    pins: tuple[str, ...]
    """Nodes that it cannot leave: those with data of its volumes, and the one with its memory or its TPM's content."""
    wants: bool
    """Whether it should have a place on a node."""
    adoption: Adoption = NOTHING
    """What there is of an earlier machine of its name."""

    @property
    def machine(self) -> MachineView:
        """The machine."""
        return self.found.machine

    @property
    def left(self) -> Left | None:
        """The guest that it is to take over."""
        return self.adoption.left

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
        return not self.wants and (self.domain is None or power.is_off(self.domain) or self.down)

    @property
    def silent(self) -> bool:
        """Whether the node of the latest incarnation gives no sign of life."""
        return self.domain is not None and self.found.is_silent(self.domain)

    @property
    def down(self) -> bool:
        """Whether the guest of the latest incarnation went off with its node."""
        return self.domain is not None and self.found.is_off(self.domain)

    @property
    def holding(self) -> bool:
        """Whether a place is booked on the node of the latest incarnation."""
        return bool(self.domain and self.anchor and anchor.holds(self.anchor, self.domain.spec.node_name))

    @property
    def renews(self) -> bool:
        """Whether the next start is to bring another revision of its plugin."""
        pin, before = self.effective.plugin, self.domain.spec.plugin if self.domain else None
        return before is not None and pin is not None and pin != before

    @property
    def held(self) -> Held:
        """Allocations by interface and family."""
        return self.allotment.held


def assess(found: Found) -> Situation:
    """Take in what was found."""
    machine, catalog = found.machine, found.catalog
    meta = machine.meta
    asked = resolve(meta.key.name, machine.spec, catalog, found.policy, found.inherited)
    effective, unable = room.bounded(room.sized(asked, catalog), catalog)
    known = in_use(found.domains)
    present = [domain for domain in found.domains if not found.is_left(domain)]
    domain = present[-1] if present else None
    provided = provision(meta.uid, effective, catalog, found.domains)
    allotted = allot(meta.uid, effective, found.addresses, _present(machine, domain))
    adoption = NOTHING if found.domains else adopt(machine, found.left, effective, found)
    kept = domain is not None and power.has_tpm(domain) and effective.machine.tpm == "Enabled"
    pins = (adoption.left.node,) if adoption.left else _pins(found, domain, provided, tpm=kept)
    anchors = anchor.usable(_places(found, domain, pins), domain.spec.node_name if domain else "")
    wants = power.wants_place(machine, domain, went_down=_went_down(found, effective, domain))
    return Situation(
        found=found,
        effective=effective,
        latest=_latest(found) or effective,
        accepted=_refused(found, "Accepted") or _disinherited(found) or references.accepted(effective, catalog),
        provision=provided,
        allotment=allotted,
        unable=unable,
        cramped=room.cramped(effective, catalog, known),
        blocked=adoption.blocked
        or provided.blocked
        or room.refused(effective, catalog, known)
        or _network_blocked(meta.uid, effective, catalog, allotted),
        domain=domain,
        anchor=anchors[0] if anchors else None,
        pins=pins,
        wants=wants or adoption.left is not None,
        adoption=adoption,
    )


def _went_down(found: Found, effective: Effective, domain: DomainView | None) -> bool:
    """Tell whether the guest ended with its node, and its restart policy leaves it so."""
    if domain is None or effective.restart_policy != "Never" or not found.is_off(domain):
        return False
    meant = domain.spec.power_state in power.ON or domain.spec.stop_reason == "Evicted"
    return meant and power.was_on(domain)


def _places(found: Found, domain: DomainView | None, pins: Sequence[str]) -> list[Pod]:
    """Find the anchors that may hold the place, or get one: not those on silent nodes with nothing of the machine."""
    # By ownership alone: an annotation anybody can write, and a pod of somebody's own books nothing for the guest.
    owned = [pod for pod in found.anchors if pod.meta.owner == found.machine.meta.uid]
    tied = {*pins, domain.spec.node_name if domain else ""}
    return [pod for pod in owned if pod.node in tied or pod.node not in found.lost]


def _pins(found: Found, domain: DomainView | None, provided: Provision, *, tpm: bool) -> tuple[str, ...]:
    kept = {each.spec.node_name for each in found.domains if found.is_off(each) and _keeps(found, each)}
    memory = domain is not None and not found.is_off(domain) and power.has_memory(domain)
    if domain and not domain.meta.deleting and (tpm or memory):
        kept.add(domain.spec.node_name)
    return tuple(sorted(kept | set(provided.pins)))


def _keeps(found: Found, domain: DomainView) -> bool:
    """Tell whether a node that is off may have what the machine needs: saved memory, or data that is not bound yet."""
    volumes = found.catalog.volumes.items()
    unbound = {name for name, each in volumes if not each.status.node_name and is_local(each, found.catalog)}
    # Without the API's word that it may begin nothing is made: who told nothing has nothing.
    begun = power.was_on(domain) or bool(domain.status.volumes)
    data = begun and any(disk.volume in unbound for disk in domain.spec.disks)
    discarded = domain.meta.deleting or power.restart_requested(found.machine, domain)
    return data or (power.saves_memory(domain) and not discarded)


def _present(machine: MachineView, domain: DomainView | None) -> frozenset[str]:
    """Addresses of the interfaces, as the latest incarnation or else the status has them."""
    if domain:
        return frozenset(ip for each in domain.spec.interfaces for ip in (each.ip, each.ipv6))
    return frozenset(ip for each in machine.status.addresses or [] for ip in (each.ip, each.ipv6) if ip)


def _latest(found: Found) -> Effective | None:
    if found.latest is None:
        return None
    spec, inherited = found.latest
    return resolve(found.machine.meta.key.name, spec, found.catalog, found.policy, inherited)


def _disinherited(found: Found) -> Finding | None:
    return found.inherited.problem if found.inherited else None


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
