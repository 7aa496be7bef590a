"""Adoption: a machine that was applied anew takes over the guest that one of its name and namespace left running.

It happens after the definition of machines was removed and made again: nobody ordered the guest away, so it runs on
for no Domain, and the machine that comes back has another uid. Whether the guest is there is the word of its node's
agent; that no machine and no Domain has a claim to it is asked of the API server itself before anything is made.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from drover.api.hypervisor import Orphan
from drover.api.kinds import ADDRESS, VOLUME, Kind
from drover.planning import names
from drover.planning.catalog import Catalog
from drover.planning.conditions import Finding
from drover.planning.node import Lost, is_off
from drover.planning.ownership import ANNOTATION_MACHINE, machine_uid, reference
from drover.planning.resolve import Effective
from drover.planning.view import AddressView, MachineView, VolumeView
from drover.state.resource import Body, Key, Meta

USED_BY = "drover.dev/used-by"


@dataclass(frozen=True, slots=True)
class Left:
    """A guest that no Domain speaks for, as the agent of its node reports it."""

    node: str
    orphan: Orphan

    @property
    def machine(self) -> Key:
        """Name of the machine that it was; neither part holds a dot that the other could be taken for."""
        namespace, _, name = self.orphan.name.partition(".")
        return Key(namespace, name)

    @property
    def uid(self) -> str:
        """Uid of the machine that it was."""
        return self.orphan.machine_uid or self.orphan.uuid


@dataclass(frozen=True, slots=True)
class Inherit:
    """Make a child of the machine that was the machine's that is."""

    kind: Kind
    meta: Meta
    machine: Meta
    owned: bool = False
    """Whether it is to go with the machine."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """What a machine finds of the one before it."""

    left: Left | None = None
    """The guest to take over."""
    blocked: Finding | None = None
    """Why it cannot be taken over; nothing is started beside it."""
    steps: tuple[Inherit, ...] = ()
    """Children that are to be the machine's first."""


NOTHING = Adoption()


class Around(Protocol):
    """What was found around a machine, as far as it matters here."""

    @property
    def catalog(self) -> Catalog:
        """What its spec refers to."""

    @property
    def estate(self) -> tuple[AddressView, ...]:
        """Allocations of machines that had its name."""

    @property
    def lost(self) -> Mapping[str, Lost]:
        """Nodes whose agents give no sign of life."""


def adopt(machine: MachineView, left: Iterable[Left], effective: Effective, around: Around) -> Adoption:
    """Find the guest to take over, given those left of the machine's name, of a machine that has no Domain yet."""
    meta = machine.meta
    guests = [each for each in left if each.machine == meta.key and not is_off(around.lost.get(each.node), None)]
    # One of the machine's own uid is no heir's: it is taken back by the Domain that is made for it anyway.
    if not guests or any(each.uid == meta.uid for each in guests):
        return NOTHING
    if trouble := _trouble(guests, effective, around):
        return Adoption(blocked=trouble)
    (guest,) = guests
    return Adoption(left=guest, steps=(*_volumes(guest, meta, effective, around), *_addresses(guest, meta, around)))


def _trouble(guests: list[Left], effective: Effective, around: Around) -> Finding | None:
    where = ", ".join(f"{each.orphan.uuid} on {each.node}" for each in guests)
    words = f"an earlier machine of this name left guest {where}, for which no Domain speaks"
    if len(guests) > 1:
        return Finding("Running", "False", "OrphanInTheWay", f"{words}; remove all but one")
    if guests[0].node in around.lost:
        return Finding("Running", "Unknown", "NodeLost", f"{words}, and its agent gives no sign of life")
    missing = [disk.volume for disk in effective.disks if disk.own and disk.volume not in around.catalog.volumes]
    if missing:
        gone = f"StorageVolume {', '.join(missing)} is gone, so the guest cannot be taken over with its disks"
        return Finding("VolumesReady", "False", "VolumeLost", f"{words}; {gone}")
    return None


def _volumes(guest: Left, meta: Meta, effective: Effective, around: Around) -> Iterator[Inherit]:
    for disk in effective.disks:
        volume = around.catalog.volumes.get(disk.volume)
        if disk.own and volume is not None and machine_uid(volume.meta) == guest.uid and not _is_taken(volume, guest):
            yield Inherit(VOLUME, volume.meta, meta, owned=not disk.retain)


def _is_taken(volume: VolumeView, guest: Left) -> bool:
    """Tell whether yet another machine has taken a volume over since."""
    user = volume.meta.annotation("used-by")
    return bool(volume.meta.deleting) or user not in {"", guest.uid}


def _addresses(guest: Left, meta: Meta, around: Around) -> Iterator[Inherit]:
    for each in around.estate:
        owner = each.spec.virtual_machine
        if (Key(owner.namespace, owner.name), owner.uid) == (meta.key, guest.uid) and not each.meta.deleting:
            yield Inherit(ADDRESS, each.meta, meta)


def heir(body: Body, step: Inherit) -> Body:
    """Rewrite a child so that it is the heir's."""
    return (_volume if step.kind is VOLUME else _address)(body, step)


def _volume(body: Body, step: Inherit) -> Body:
    metadata: dict[str, Any] = dict(body["metadata"])
    notes = {name: value for name, value in metadata.get("annotations", {}).items() if name != USED_BY}
    metadata["annotations"] = {**notes, ANNOTATION_MACHINE: step.machine.uid}
    metadata["finalizers"] = sorted({*metadata.get("finalizers", ()), names.FINALIZER_VOLUME})
    metadata["ownerReferences"] = [reference(step.machine)] if step.owned else []
    return {**body, "metadata": metadata}


def _address(body: Body, step: Inherit) -> Body:
    owner = {**body["spec"]["virtualMachine"], "uid": step.machine.uid}
    return {**body, "spec": {**body["spec"], "virtualMachine": owner}}


def still_left(guest: Left, hypervisor: Body | None) -> bool:
    """Tell whether the agent of a node says this moment that a guest is left, given its Hypervisor."""
    told = ((hypervisor or {}).get("status") or {}).get("orphans") or ()
    facts = (guest.orphan.uuid, guest.orphan.name, guest.orphan.epoch)
    return any((each.get("uuid"), each.get("name"), each.get("epoch")) == facts for each in told)
