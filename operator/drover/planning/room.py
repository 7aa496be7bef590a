"""Room in storage pools: which machine comes too late to be promised what its disks ask for."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from drover.api.pool import PoolNode
from drover.api.virtualmachine import VirtualMachineSpec
from drover.planning import names, quantity
from drover.planning.catalog import Catalog
from drover.planning.conditions import Finding
from drover.planning.hardware import is_drive
from drover.planning.ledger import Room, present, promised
from drover.planning.pool import RIGID_TYPES, is_shared
from drover.planning.resolve import Effective, EffectiveDisk
from drover.planning.view import PoolView, VolumeView


def sized(effective: Effective, catalog: Catalog) -> Effective:
    """Give the disks that are yet to be made in bounded pools the size of what they start from, as far as it is known.

    What is promised must be known before it is made: else many at once get more than there is.
    """
    disks = tuple(_sized(disk, catalog) for disk in effective.disks)
    return effective if disks == effective.disks else replace(effective, disks=disks)


def refused(effective: Effective, catalog: Catalog, known: Iterable[str]) -> Finding | None:
    """Find a pool without room for the new volumes of a machine; `known` are those that its Domains name."""
    for name, disks in _new(effective, catalog, frozenset(known)).items():
        pool = catalog.pools.get(name)
        room = catalog.rooms.get(name)
        if pool is None or room is None:
            continue
        # A LUN is there already, and nobody but its target says how large it is.
        if pool.spec.type != "ISCSI" and (unsized := next((disk for disk in disks if disk.size is None), None)):
            return Finding("VolumesReady", "False", "SizeUnknown", _without_size(unsized, pool))
        words = _beyond_limit(pool, room, disks, catalog) or _beyond_capacity(pool, room, disks)
        if words:
            reason, message = words
            return Finding("VolumesReady", "False", reason, f"disk {disks[0].name}: {message}")
    return None


def cramped(effective: Effective, catalog: Catalog, known: Iterable[str]) -> frozenset[str]:
    """Name the nodes whose pools have no room for the new volumes of a machine."""
    found: set[str] = set()
    for name, disks in _new(effective, catalog, frozenset(known)).items():
        pool, room = catalog.pools.get(name), catalog.rooms.get(name)
        if pool is not None and room is not None and not is_shared(pool):
            found |= {node.name for node in _full(pool, room, _sum(disks))}
    return frozenset(found)


def bounded(effective: Effective, catalog: Catalog) -> tuple[Effective, Finding | None]:
    """Leave disks that may not grow as they are, and say which first did not."""
    findings: list[Finding] = []
    disks = [_bounded(disk, catalog, findings) for disk in effective.disks]
    return (replace(effective, disks=tuple(disks)), findings[0]) if findings else (effective, None)


def crowded(pool: PoolView, room: Room) -> bool:
    """Tell whether more was promised than a namespace may have, or than there is of what all nodes see."""
    limit = pool.spec.namespace_limit
    return (limit is not None and room.namespace > quantity.whole(limit)) or (
        is_shared(pool) and bool(_full(pool, room, 0))
    )


def overfull(pool: PoolView, room: Room, node: str) -> bool:
    """Tell whether more was promised on a node than it may promise."""
    return any(each.name == node for each in _full(pool, room, 0))


def excess(volume: VolumeView, pool: PoolView, room: Room) -> str:
    """Say what a volume asks for beyond what its namespace may have in a pool; empty if it does not."""
    limit = quantity.whole(pool.spec.namespace_limit or 0)
    if volume.status.node_name:
        more = quantity.whole(volume.spec.size or 0) - _granted(volume, room)
        total = room.namespace + more if more > 0 else 0
    else:
        total = room.ahead.get(volume.meta.key.name, 0)
    return _words(volume.meta.key.namespace, total, pool) if total > limit else ""


def is_wanted(machine: str, spec: VirtualMachineSpec, volumes: Mapping[str, VolumeView]) -> bool:
    """Tell whether a machine asks for room that it does not have."""
    for disk in spec.disks or ():
        if is_drive(disk):
            continue
        volume = volumes.get(disk.volume or names.volume(machine, disk.name))
        if volume is None or not volume.status.node_name:
            return True
        asked = max((quantity.whole(size) for size in (disk.size, volume.spec.size) if size is not None), default=0)
        if asked > present(volume):
            return True
    return False


def _new(effective: Effective, catalog: Catalog, known: frozenset[str]) -> Mapping[str, list[EffectiveDisk]]:
    """Disks by pool whose volumes no node has yet."""
    found: dict[str, list[EffectiveDisk]] = {}
    for disk in effective.disks:
        volume = catalog.volumes.get(disk.volume)
        if disk.volume not in known and not (volume and volume.status.node_name):
            found.setdefault(disk.pool, []).append(disk)
    return found


def _sized(disk: EffectiveDisk, catalog: Catalog) -> EffectiveDisk:
    if disk.size is not None or not disk.own or disk.pool not in catalog.rooms or disk.volume in catalog.volumes:
        return disk
    image, origin = catalog.images.get(disk.image), catalog.volumes.get(disk.clone)
    size = (image.status.virtual_size if image else None) or (origin.status.capacity if origin else None)
    return replace(disk, size=quantity.whole(size)) if size else disk


def _without_size(disk: EffectiveDisk, pool: PoolView) -> str:
    who = f"disk {disk.name}" if disk.own else f"disk {disk.name}: StorageVolume {disk.volume}"
    return f"{who} needs a size: pool {pool.meta.key.name} is bounded, and how large it will be is not known yet"


def _sum(disks: Iterable[EffectiveDisk]) -> int:
    return sum(disk.size or 0 for disk in disks)


def _beyond_limit(pool: PoolView, room: Room, disks: list[EffectiveDisk], catalog: Catalog) -> tuple[str, str] | None:
    limit = pool.spec.namespace_limit
    if limit is None:
        return None
    made = [room.ahead[disk.volume] for disk in disks if disk.volume in room.ahead]
    more = _sum(disk for disk in disks if disk.volume not in room.ahead)
    total = max([*made, *([room.namespace + more] if more else [])], default=0)
    if total <= quantity.whole(limit):
        return None
    return "NamespaceLimitExceeded", _words(catalog.namespace, total, pool)


def _words(namespace: str, total: int, pool: PoolView) -> str:
    limit = quantity.binary(quantity.whole(pool.spec.namespace_limit or 0))
    name = pool.meta.key.name
    return f"namespace {namespace} would have {quantity.binary(total)} in pool {name}, where it may have {limit}"


def _beyond_capacity(pool: PoolView, room: Room, disks: list[EffectiveDisk]) -> tuple[str, str] | None:
    nodes, need = _nodes(pool), _sum(disks)
    full = _full(pool, room, need)
    if not nodes or len(full) < len(nodes):
        return None
    told = ", ".join(f"{node.name} has promised {quantity.binary(_taken(pool, room, node))}" for node in full[:3])
    words = f"pool {pool.meta.key.name} has no room for {quantity.binary(need)} more on any node: {told}"
    return "PoolFull", f"{words} of {full[0].capacity} with overcommit {pool.spec.overcommit}"


def _nodes(pool: PoolView) -> list[PoolNode]:
    return [node for node in pool.status.nodes or () if node.capacity]


def _full(pool: PoolView, room: Room, need: int) -> list[PoolNode]:
    """Nodes of a pool that cannot promise so much more."""
    if pool.spec.overcommit is None:
        return []
    share = quantity.number(pool.spec.overcommit)
    return [
        node for node in _nodes(pool) if _taken(pool, room, node) + need > quantity.whole(node.capacity or 0) * share
    ]


def _taken(pool: PoolView, room: Room, node: PoolNode) -> int:
    return sum(room.nodes.values()) if is_shared(pool) else room.nodes.get(node.name, 0)


def _bounded(disk: EffectiveDisk, catalog: Catalog, findings: list[Finding]) -> EffectiveDisk:
    volume, pool, room = catalog.volumes.get(disk.volume), catalog.pools.get(disk.pool), catalog.rooms.get(disk.pool)
    if volume is None or pool is None or not volume.status.capacity:
        return disk
    if pool.spec.type in RIGID_TYPES:
        return _kept(disk, volume, pool, findings)
    if room is None:
        return disk
    more = (disk.size or 0) - _granted(volume, room)
    words = _no_growth(pool, room, volume.status.node_name or "", more, catalog) if more > 0 else None
    if not words:
        return disk
    reason, message = words
    findings.append(Finding("VolumesReady", "False", reason, f"disk {disk.name} cannot grow: {message}"))
    return replace(disk, size=_granted(volume, room))


def _granted(volume: VolumeView, room: Room) -> int:
    """Size in bytes that a volume has, or is about to have."""
    return max(promised(volume), present(volume), room.granted.get(volume.meta.key.name, 0))


def _kept(disk: EffectiveDisk, volume: VolumeView, pool: PoolView, findings: list[Finding]) -> EffectiveDisk:
    """Leave a disk as it is whose pool cannot make it larger."""
    if (disk.size or 0) <= present(volume):
        return disk
    words = f"volumes of pool {pool.meta.key.name}, which is of type {pool.spec.type}, keep their size"
    findings.append(Finding("VolumesReady", "False", "Unsupported", f"disk {disk.name} cannot grow: {words}"))
    return replace(disk, size=present(volume))


def _no_growth(pool: PoolView, room: Room, node: str, more: int, catalog: Catalog) -> tuple[str, str] | None:
    limit, total = pool.spec.namespace_limit, room.namespace + more
    if limit is not None and total > quantity.whole(limit):
        return "NamespaceLimitExceeded", _words(catalog.namespace, total, pool)
    for each in _full(pool, room, more):
        if each.name == node:
            words = f"{node} has promised {quantity.binary(_taken(pool, room, each))} of {each.capacity}"
            return "PoolFull", f"{words} of pool {pool.meta.key.name} with overcommit {pool.spec.overcommit}"
    return None
