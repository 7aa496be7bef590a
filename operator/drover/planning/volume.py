"""Volumes: which a machine has to make, take or let go, and what is said of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from drover.api.domain import DomainDisk, VolumeFact
from drover.api.volume import StorageVolumeStatus
from drover.planning import capture, live, names, quantity
from drover.planning.catalog import Catalog
from drover.planning.conditions import Finding, find, stamp
from drover.planning.ownership import ANNOTATION_MACHINE, machine_uid, reference
from drover.planning.pool import is_shared
from drover.planning.resolve import Effective, EffectiveDisk
from drover.planning.view import DomainView, MachineView, VolumeView
from drover.state.resource import Meta

ANNOTATION_USER = "drover.dev/used-by"
"""On a volume that a machine took over without having made it: that machine's uid."""


@dataclass(frozen=True, slots=True)
class Provision:
    """How a machine's disks and the volumes fit."""

    create: tuple[EffectiveDisk, ...] = ()
    """Disks whose volume is to be made."""
    take: tuple[Meta, ...] = ()
    """Volumes made by somebody else, to be claimed."""
    grow: tuple[tuple[VolumeView, int], ...] = ()
    """Volumes to enlarge, with their new size."""
    blocked: Finding | None = None
    """Why the machine cannot have them all."""
    pins: tuple[str, ...] = ()
    """Nodes that hold data of them."""

    @property
    def ready(self) -> bool:
        """Whether every disk has its volume."""
        return not self.create and not self.take and self.blocked is None


def provision(uid: str, effective: Effective, catalog: Catalog, domains: Sequence[DomainView]) -> Provision:
    """Match a machine's disks with the volumes there are."""
    found = {disk.volume: catalog.volumes[disk.volume] for disk in effective.disks if disk.volume in catalog.volumes}
    known = {disk.volume: disk.volume_uid for domain in domains for disk in domain.spec.disks}
    return Provision(
        create=tuple(disk for disk in effective.disks if disk.own and disk.volume not in {*found, *known}),
        take=tuple(
            volume.meta for volume in found.values() if not volume.meta.deleting and not _is_ours(uid, volume.meta)
        ),
        grow=tuple(
            (found[disk.volume], disk.size)
            for disk in effective.disks
            if disk.own and disk.size is not None and disk.volume in found and _too_small(uid, found[disk.volume], disk)
        ),
        blocked=_lost(effective, found, known)
        or _blocked(effective, found, catalog, frozenset(known))
        or _not_copied(effective, catalog)
        or _not_captured(effective, catalog)
        or _apart(effective, catalog),
        pins=tuple(sorted(set(_pins(effective, catalog).values()))),
    )


def is_local(volume: VolumeView, catalog: Catalog) -> bool:
    """Tell whether the data of a volume is, or will be, on one node alone."""
    return not is_shared(catalog.pools.get(volume.status.pool or volume.spec.pool or catalog.default_pool))


def _pins(effective: Effective, catalog: Catalog) -> Mapping[str, str]:
    """Node by disk of the data that it needs, of what it is to be a copy of too, where only that node has it."""
    needed = ((disk.name, _data(disk, catalog)) for disk in effective.disks)
    images = (
        (disk.name, capture.keeper(catalog.images.get(disk.image), catalog)) for disk in fresh(effective, catalog)
    )
    return {name: node for name, node in images if node} | {
        name: volume.status.node_name
        for name, volume in needed
        if volume is not None and volume.status.node_name and is_local(volume, catalog)
    }


def fresh(effective: Effective, catalog: Catalog) -> Iterable[EffectiveDisk]:
    """Find the disks that are still to be made from what they start from, once or at every start."""
    for disk in effective.disks:
        volume = catalog.volumes.get(disk.volume)
        if volume is None or not volume.status.node_name or disk.hardware.ephemeral == "Enabled":
            yield disk


def _data(disk: EffectiveDisk, catalog: Catalog) -> VolumeView | None:
    """Find the volume that has a disk's data, or what they are to be copied from."""
    volume = catalog.volumes.get(disk.volume)
    return volume if volume is not None and volume.status.node_name else catalog.volumes.get(disk.clone)


def grown(volume: VolumeView, size: int) -> Mapping[str, object]:
    """Spec of a volume that is to have `size` bytes."""
    spec = volume.spec.model_copy(update={"size": quantity.binary(size)})
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def in_use(domains: Iterable[DomainView]) -> frozenset[str]:
    """Names of the volumes that these Domains name, or whose guests have them open still."""
    every = tuple(domains)
    open_ = (name for domain in every for name in live.volumes(domain.status.live))
    return frozenset((*(disk.volume for domain in every for disk in domain.spec.disks), *open_))


def wants(machine: MachineView, volume: str) -> bool:
    """Tell whether a machine's spec names a volume."""
    disks = machine.spec.disks or []
    name = machine.meta.key.name
    return any(volume == (disk.volume or names.volume(name, disk.name)) for disk in disks if disk.type != "CDROM")


def claimants(meta: Meta) -> tuple[str, ...]:
    """Uids of the machines that may hold a volume: the one that took it over, else the one it was made for."""
    return tuple(uid for uid in (meta.annotation("used-by"), machine_uid(meta)) if uid)


def detached(effective: Effective, owned: Iterable[VolumeView]) -> tuple[str, ...]:
    """Names of the volumes made for the machine that no disk of it uses now."""
    used = {disk.volume for disk in effective.disks}
    return tuple(sorted(each.meta.key.name for each in owned if each.meta.key.name not in used))[:64]


def to_disown(machine: Meta, effective: Effective, owned: Iterable[VolumeView]) -> tuple[Meta, ...]:
    """Volumes that would be collected with the machine although they are to be retained."""
    retained = {disk.volume for disk in effective.disks if disk.own and disk.retain}
    return tuple(each.meta for each in owned if each.meta.owner == machine.uid and each.meta.key.name in retained)


def to_delete(machine: Meta, effective: Effective, owned: Iterable[VolumeView]) -> tuple[Meta, ...]:
    """Volumes that go with the machine: those made for it, unless they are retained or another machine's now."""
    own = {disk.volume: disk.retain for disk in effective.disks if disk.own}
    made = (each.meta for each in owned if claimants(each.meta)[:1] == (machine.uid,) and not each.meta.deleting)
    # Of a detached disk the spec tells no more: its volume has no owner if it was to be retained.
    return tuple(meta for meta in made if not own.get(meta.key.name, meta.owner != machine.uid))


def body(disk: EffectiveDisk, machine: Meta) -> Mapping[str, object]:
    """Build the volume of a machine's disk."""
    metadata: dict[str, object] = {
        "name": disk.volume,
        "namespace": machine.key.namespace,
        "labels": {names.LABEL_MACHINE: machine.key.name},
        "annotations": {ANNOTATION_MACHINE: machine.uid},
        "finalizers": [names.FINALIZER_VOLUME],
    }
    if not disk.retain:
        metadata["ownerReferences"] = [reference(machine)]
    spec: dict[str, object] = {"pool": disk.pool, "source": _source(disk)}
    if disk.size is not None:
        spec["size"] = quantity.binary(disk.size)
    if disk.key:
        spec["encryption"] = {"keySecretRef": disk.key.model_dump(mode="json", by_alias=True)}
    return {"metadata": metadata, "spec": spec}


def _source(disk: EffectiveDisk) -> Mapping[str, str]:
    if disk.clone:
        return {"type": "Volume", "volume": disk.clone}
    return {"type": "Image", "image": disk.image} if disk.image else {"type": "Blank"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of a volume's pool is to be known."""

    sharers: Sequence[str] = ()
    """Nodes that see its bytes, if several do."""
    beyond: str = ""
    """What it asks for beyond what its namespace may have."""
    unusable: str = ""
    """Why the pool cannot be used on the node that has its data, or is asked to clear them away."""


ALONE = Surroundings()


def status(
    volume: VolumeView, domains: Sequence[DomainView], around: Surroundings = ALONE, *, now: str
) -> StorageVolumeStatus:
    """Say of a volume what the Domains that name it tell."""
    before = volume.status
    node = _moved(volume, domains, around.sharers) or before.node_name or _binding(volume, domains)
    domain = next((each for each in domains if each.spec.node_name == node), None)
    fact = _fact(domain, volume) if domain else None
    found = [_accepted(around.beyond), _held_up(volume, around) or _ready(volume, node, fact)]
    disks = [disk for disk in (domain.spec.disks if domain else []) if disk.volume == volume.meta.key.name]
    kept = None if _is_dropped(fact, disks) else before
    return StorageVolumeStatus(
        observed_generation=volume.meta.generation,
        phase="Bound" if node else "Pending",
        node_name=node,
        pool=before.pool or next((disk.pool for disk in disks), None),
        capacity=_size(fact.capacity_bytes if fact else None) or (kept.capacity if kept else None),
        allocated=_size(fact.allocated_bytes if fact else None) or (kept.allocated if kept else None),
        used_by=f"VirtualMachine/{domains[0].spec.virtual_machine.name}" if domains else None,
        conditions=stamp(found, before.conditions or [], now=now, generation=volume.meta.generation),
    )


def _is_dropped(fact: VolumeFact | None, disks: Iterable[DomainDisk]) -> bool:
    """Tell whether a volume's data was dropped as its machine asked: then it may be made anew, whatever comes next."""
    gone = fact is not None and not fact.ready and fact.capacity_bytes is None
    return gone and any(disk.hardware.ephemeral == "Enabled" for disk in disks)


def forsaken(volume: VolumeView, domains: Sequence[DomainView], *, gone: bool = False) -> bool:
    """Tell whether nobody but us can let a volume go: it never had data, or had them on a node that is `gone`."""
    meta = volume.meta
    going = bool(meta.deleting) and names.FINALIZER_VOLUME in meta.finalizers
    return going and (gone or not volume.status.node_name) and not domains


def _binding(volume: VolumeView, domains: Sequence[DomainView]) -> str | None:
    """Node to bind to: one that has its data, or that may have and is about to be asked to clear it away."""
    for domain in domains:
        fact = _fact(domain, volume)
        if volume.meta.deleting or domain.meta.deleting or (fact and fact.ready):
            return domain.spec.node_name
    return None


def _moved(volume: VolumeView, domains: Sequence[DomainView], sharers: Sequence[str]) -> str | None:
    """Node that has come to use a volume which several see; of one that is to go: a node that can delete it."""
    for domain in sorted(domains, key=lambda each: -each.spec.epoch) if sharers else ():
        fact = _fact(domain, volume)
        if fact is not None and fact.ready and not domain.meta.deleting:
            return domain.spec.node_name
    lost = volume.status.node_name and volume.status.node_name not in sharers
    return sharers[0] if sharers and volume.meta.deleting and lost and not domains else None


def _fact(domain: DomainView, volume: VolumeView) -> VolumeFact | None:
    return next((each for each in domain.status.volumes or [] if each.name == volume.meta.key.name), None)


def _accepted(beyond: str) -> Finding:
    if beyond:
        return Finding("Accepted", "False", "NamespaceLimitExceeded", beyond)
    return Finding("Accepted", "True", "Accepted")


def _held_up(volume: VolumeView, around: Surroundings) -> Finding | None:
    """Tell why a volume that is to go is still there."""
    if not (volume.meta.deleting and around.unusable):
        return None
    return Finding("Ready", "False", "PoolUnusable", f"it goes when its data can be deleted: {around.unusable}")


def _ready(volume: VolumeView, node: str | None, fact: VolumeFact | None) -> Finding:
    before = find(volume.status.conditions, "Ready")
    if node is None:
        return Finding("Ready", "False", "Pending", "no machine has needed it yet")
    if fact is None and before is not None:
        return Finding("Ready", before.status, before.reason, before.message)
    if fact is not None and fact.ready:
        return Finding("Ready", "True", "Bound", f"its data is on {node}")
    return Finding("Ready", "False", "NotThere", f"{node} does not have its data ready")


def _size(count: int | None) -> str | None:
    return None if count is None else quantity.binary(count)


def _is_ours(uid: str, meta: Meta) -> bool:
    """Tell whether the machine may use a volume as it is: it made it or has taken it, and nobody else has since."""
    return claimants(meta)[:1] == (uid,) and names.FINALIZER_VOLUME in meta.finalizers


def _too_small(uid: str, volume: VolumeView, disk: EffectiveDisk) -> bool:
    size = volume.spec.size
    mine = machine_uid(volume.meta) == uid and not volume.meta.deleting
    return mine and (size is None or quantity.whole(size) < (disk.size or 0))


def _lost(effective: Effective, found: Mapping[str, VolumeView], known: Mapping[str, str]) -> Finding | None:
    """Find a disk whose volume object was lost while its data is still on a node: it is never made anew unasked."""
    for disk in effective.disks:
        volume = found.get(disk.volume)
        if disk.volume in known and (volume is None or volume.meta.uid != known[disk.volume]):
            words = f"disk {disk.name}: the StorageVolume {disk.volume} that it had is gone, its data is not"
            return Finding("VolumesReady", "False", "VolumeLost", words)
    return None


def _not_copied(effective: Effective, catalog: Catalog) -> Finding | None:
    """Find a disk that cannot be copied yet: nobody has written what it is to be a copy of."""
    for disk in effective.disks:
        volume, origin = catalog.volumes.get(disk.volume), catalog.volumes.get(disk.clone)
        if origin is None or (volume is not None and volume.status.node_name):
            continue
        what = f"disk {disk.name}: {disk.clone}, of which it is to be a copy,"
        if origin.meta.deleting:
            return Finding("VolumesReady", "False", "VolumeTerminating", f"{what} is being deleted")
        if not origin.status.node_name:
            return Finding("VolumesReady", "False", "SourceNotBound", f"{what} has no data: no machine has used it")
    return None


def _not_captured(effective: Effective, catalog: Catalog) -> Finding | None:
    """Find a disk whose image is not captured yet."""
    for disk in fresh(effective, catalog):
        if words := capture.unready(catalog.images.get(disk.image)):
            return Finding("VolumesReady", "False", "ImageNotCaptured", f"disk {disk.name}: {words}")
    return None


def _apart(effective: Effective, catalog: Catalog) -> Finding | None:
    """Find out whether the machine's data is on several nodes, so that it can be on none."""
    pins = _pins(effective, catalog)
    if len(set(pins.values())) < 2:
        return None
    words = ", ".join(f"that of disk {disk} on {node}" for disk, node in sorted(pins.items()))
    return Finding("VolumesReady", "False", "VolumesApart", f"the data it needs is on several nodes: {words}")


def _blocked(
    effective: Effective, found: Mapping[str, VolumeView], catalog: Catalog, present: frozenset[str]
) -> Finding | None:
    for disk in effective.disks:
        holder = catalog.held.get(disk.volume)
        if holder:
            return Finding(
                "VolumesReady", "False", "VolumeInUse", f"disk {disk.name}: {disk.volume} is used by {holder}"
            )
        volume = found.get(disk.volume)
        if volume and volume.meta.deleting and disk.volume not in present:
            return Finding(
                "VolumesReady", "False", "VolumeTerminating", f"disk {disk.name}: {disk.volume} is being deleted"
            )
    return None
