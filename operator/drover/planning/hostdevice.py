"""Devices of a node for guests: what can be had, who gets which, and how many are counted. See ADR 0050.

What is counted and given away is a whole IOMMU group: the hardware cannot keep apart what is in one, so it has one
owner. A group can be had when everything in it is offered, bridges aside, and neither the node nor another guest uses
any of it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from drover.api.hostdevice import Device, DeviceNode
from drover.planning.conditions import Finding
from drover.state.hostdevice import Claim, Offer, PciDevice

BRIDGE = "06"
"""Class of bridges: they stay with the node, and a group may hold some."""
TRANSPARENT = ("0604", "0609")
"""Classes of bridges from PCI to PCI: the kernel lets their drivers stay."""
STORAGE = "01"
"""Class of storage controllers: whether something on one is in use cannot be seen from here."""
UNUSED = frozenset({"", "vfio-pci", "pci-stub"})
"""Drivers that make nothing of a device."""
BOARD = {
    BRIDGE: "a bridge",
    "0500": "memory of the board",
    "0501": "memory of the board",
    "0800": "an interrupt controller",
    "0801": "a DMA controller",
    "0802": "a timer",
    "0803": "a clock",
    "0804": "a hot-plug controller",
    "0806": "an IOMMU",
    "0b": "a processor",
    "0c05": "the board's SMBus",
}
"""Classes that the node cannot do without, whoever offers them."""
NO_IOMMU = "this node has no IOMMU for it: switch it on in the firmware (VT-d, AMD-Vi) and in the kernel"
MEMBERS = 16
"""Devices of one group that a guest is given at most."""
SHOWN = 64
NAMED = 8
"""Devices that a message names."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One device of a resource, with all that shares its IOMMU group."""

    resource: str
    address: str
    group: int | None = None
    members: tuple[str, ...] = ()
    """Addresses of all that a guest gets with it, itself among them."""
    holders: tuple[Claim, ...] = ()
    """Guests that have some of it."""
    trouble: str = ""
    """Why no guest can have it."""

    def obstacle(self, uuid: str) -> str:
        """Say what keeps it from a guest; empty when that can have it."""
        others = ", ".join(each.owner for each in self.holders if each.uuid != uuid)
        return f"{self.address} is in use by {others}" if others else self.trouble


@dataclass(frozen=True, slots=True)
class Assigned:
    """What a guest gets for one of the devices that it asks for."""

    name: str
    resource: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Devices of a guest, or why it cannot have them."""

    devices: tuple[Assigned, ...] = ()
    reason: str = ""
    """In one word; empty when it has all."""
    message: str = ""


# --- what there is ---------------------------------------------------------------------------------------------------


def units(devices: Iterable[PciDevice], offers: Sequence[Offer], claims: Sequence[Claim]) -> tuple[Unit, ...]:
    """Find what is offered on a node, by address."""
    ordered = sorted(devices, key=lambda each: (-1 if each.group is None else each.group, each.address))
    groups = (tuple(members) for _, members in groupby(ordered, key=attrgetter("group")))
    held = [claim for claim in claims if claim.holds]
    found = (unit for members in groups for unit in _units(members, offers, held))
    return tuple(sorted(found, key=attrgetter("address")))


def _units(group: tuple[PciDevice, ...], offers: Sequence[Offer], claims: Sequence[Claim]) -> Iterator[Unit]:
    """Find what is offered of one group, or of the devices that are in none."""
    offered = {each.address: offer for each in group if (offer := _offer(each, offers))}
    if group[0].group is None:
        for address, offer in offered.items():
            yield Unit(offer.resource, address, trouble=NO_IOMMU)
        return
    resources = {offer.resource for offer in offered.values()}
    for resource in sorted(resources):
        own = [address for address, offer in offered.items() if offer.resource == resource]
        members = tuple(each.address for each in group if not each.kind.startswith(BRIDGE))
        holders = tuple(each for each in claims if not each.addresses.isdisjoint(members))
        mixed = f"{own[0]} shares its IOMMU group with {', '.join(sorted(resources - {resource}))}"
        trouble = mixed if len(resources) > 1 else _trouble(own, group, offered, held=bool(holders))
        yield Unit(resource, own[0], group[0].group, members or (own[0],), holders, trouble)


def _offer(device: PciDevice, offers: Sequence[Offer]) -> Offer | None:
    """Find the first offer that is of a device."""
    fits = (each for each in offers if each.model == device.model)
    return next((each for each in fits if not each.addresses or device.address in each.addresses), None)


def _trouble(own: Sequence[str], group: Sequence[PciDevice], offered: Mapping[str, Offer], *, held: bool) -> str:
    """Say why no guest can have a group; empty when one can. What a guest has the node does not use."""
    companions = frozenset().union(*(offer.companions for offer in offered.values()))
    wanted = {each.address for each in group if each.address in offered or each.model in companions}
    found = [words for each in group if (words := _fault(each, wanted, held=held))]
    if len(group) > MEMBERS:
        found.append(f"its IOMMU group has {len(group)} devices, more than {MEMBERS}")
    return f"{own[0]} cannot be had: {', '.join(found[:NAMED])}" if found else ""


def _fault(device: PciDevice, wanted: Iterable[str], *, held: bool) -> str:
    """Say what is amiss with one member of a group."""
    told, group = f"{device.address} ({device.model})", f"IOMMU group {device.group}"
    if device.address in wanted:
        part = next((words for kind, words in BOARD.items() if device.kind.startswith(kind)), "")
        if part:
            return f"{told} is {part}"
        uses = "" if held else ", ".join(_uses(device))
        return f"{told} is in use by the node: {uses}" if uses else ""
    if not device.kind.startswith(BRIDGE):
        return f"{told} of its {group} is not offered"
    keeps = device.driver and not device.kind.startswith(TRANSPARENT)
    return f"bridge {told} of its {group} has the driver {device.driver}" if keeps else ""


def _uses(device: PciDevice) -> Iterator[str]:
    yield from device.uses
    if device.kind.startswith(STORAGE) and device.driver not in UNUSED:
        yield f"storage driver {device.driver}"


# --- who gets which --------------------------------------------------------------------------------------------------


def choose(wanted: Sequence[Device], found: Sequence[Unit], uuid: str, claims: Iterable[Claim]) -> Choice:
    """Choose devices for a guest: those that it had, by address and name, then the first ones that are free."""
    had = dict(pair for claim in claims if claim.uuid == uuid for pair in claim.devices)
    free = {unit.address: unit for unit in found if not unit.obstacle(uuid)}
    given: dict[str, Unit] = {}
    for device in wanted:
        kept = (unit for unit in free.values() if _had(unit, device, had))
        if unit := next(kept, None):
            given[device.name] = free.pop(unit.address)
    for device in wanted:
        if device.name in given:
            continue
        fits = next((unit for unit in free.values() if unit.resource == device.resource), None)
        if fits is None:
            return _refused(device, found, uuid, given)
        given[device.name] = free.pop(fits.address)
    return Choice(tuple(Assigned(each.name, each.resource, given[each.name].members) for each in wanted))


def _had(unit: Unit, device: Device, had: Mapping[str, str]) -> bool:
    return unit.resource == device.resource and had.get(unit.address) == device.name


def _refused(device: Device, found: Sequence[Unit], uuid: str, given: Mapping[str, Unit]) -> Choice:
    """Say why a device cannot be had, naming each that could have been it."""
    own = {unit.address: name for name, unit in given.items()}
    alike = [unit for unit in found if unit.resource == device.resource]
    words = [
        f"{unit.address} is the machine's {own[unit.address]}" if unit.address in own else unit.obstacle(uuid)
        for unit in alike
    ]
    if not words:
        return Choice(reason="DeviceUnavailable", message=f"device {device.name}: no {device.resource} is offered here")
    told = "; ".join([*words[:NAMED], *(["…"] if words[NAMED:] else [])])
    if all(unit.trouble == NO_IOMMU for unit in alike):
        return Choice(reason="Unsupported", message=f"device {device.name}: {NO_IOMMU}")
    return Choice(reason="DeviceUnavailable", message=f"device {device.name}: no {device.resource} is free: {told}")


# --- what is said of it ----------------------------------------------------------------------------------------------


def shown(found: Sequence[Unit]) -> list[DeviceNode]:
    """Put what is offered into words."""
    return [_shown(unit) for unit in found[:SHOWN]]


def _shown(unit: Unit) -> DeviceNode:
    strangers = [each.owner for each in unit.holders if not each.ours]
    foreign = f"{unit.address} is in use by a guest that is no machine: {', '.join(strangers)}" if strangers else ""
    message, users = foreign or unit.trouble, ", ".join(each.owner for each in unit.holders if each.ours)
    return DeviceNode(
        address=unit.address,
        resource=unit.resource,
        group=unit.group,
        members=list(unit.members[:MEMBERS]),
        state="Unusable" if message else "InUse" if users else "Free",
        in_use_by=users,
        message=message,
    )


def usable(told: Sequence[DeviceNode]) -> Iterator[Finding]:
    """Find out whether guests can have what is offered; nothing is said where nothing of it is there."""
    amiss = [each for each in told if each.state == "Unusable"]
    if not told:
        return
    if not amiss:
        yield Finding("DevicesUsable", "True", "Usable")
        return
    reason = "NoIOMMU" if all(each.message == NO_IOMMU for each in amiss) else "DeviceUnavailable"
    words = NO_IOMMU if reason == "NoIOMMU" else "; ".join(each.message for each in amiss[:NAMED])
    yield Finding("DevicesUsable", "False", reason, words)


def counted(told: Iterable[DeviceNode]) -> dict[str, int]:
    """Count what guests can have, or have, by resource."""
    return dict(Counter(each.resource for each in told if each.state != "Unusable"))
