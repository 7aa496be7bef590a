"""Volumes on this node: made when a machine first starts with them, deleted when nobody names them any more."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal

from drover.agent import pool as pools
from drover.agent.chores import Chore
from drover.agent.node import Node
from drover.agent.orders import must_exist
from drover.api.domain import DomainClone, DomainDisk, VolumeFact
from drover.api.kinds import DOMAIN, VIRTUALMACHINE, VOLUME
from drover.errors import NotReady
from drover.kube.definitions import kinds_removed
from drover.metrics.registry import wrote
from drover.planning import live, names
from drover.planning.disk import Copy, Create, Grow, plan
from drover.planning.view import DomainView, VolumeView
from drover.state.guest import Unit
from drover.state.host import VolumeFile
from drover.state.objects import read_domain
from drover.state.resource import Key

LOOK_SECONDS = 5.0
"""How soon to look again whether a volume that is to go is still used on another node."""
LOST_SECONDS = 30.0
"""How soon to look again for a LUN: the target's administrator may bring it back."""


async def reconcile(node: Node, key: Key) -> float | None:
    """Delete the data of a volume that is to go, and let the volume go."""
    # Both at one instant: a volume of the last view does not become the API server's by what is read meanwhile.
    current, volume = node.orders.primed, node.orders.volume(key)
    if not current or volume is None or not _is_to_go(node, volume):
        return None
    if not await kinds_removed(node.cluster, VOLUME, VIRTUALMACHINE):
        await _delete(node, volume)
    await _let_go(node, volume)
    return None


async def _let_go(node: Node, volume: VolumeView) -> None:
    wrote(VOLUME.name, "finalize")
    await node.cluster.remove_finalizer(VOLUME, volume.meta, names.FINALIZER_VOLUME)


def _is_to_go(node: Node, volume: VolumeView) -> bool:
    meta = volume.meta
    if not meta.deleting or names.FINALIZER_VOLUME not in meta.finalizers:
        return False
    return volume.status.node_name == node.identity.name and not node.orders.users(meta.key)


async def _delete(node: Node, volume: VolumeView) -> None:
    name = volume.status.pool or volume.spec.pool
    if name is None:
        raise NotReady(f"volume {volume.meta.key} does not say which pool holds it", reason="PoolUnknown")
    if pools.is_shared(node, name) and await _is_used_elsewhere(node, volume):
        raise NotReady(f"volume {volume.meta.key} is used on another node", reason="VolumeInUse", delay=LOOK_SECONDS)
    if not await _may_be_there(node, name, volume):
        return
    if pools.is_lent(node, name):
        await _leave(node, name, volume)
        return
    if volume.spec.wipe == "Enabled":
        chore = Chore(volume.meta.uid, "Wiping", f"volume {volume.meta.key} is being wiped")
        await node.chores.do(chore, partial(_wipe, node, name, volume.meta.uid))
    else:
        await node.host.delete_volume(name, volume.meta.uid)
    node.keys.forget(volume.meta.uid)


async def _may_be_there(node: Node, pool: str, volume: VolumeView) -> bool:
    """Have the pool of a volume that is to go; where the node cannot have such pools at all, nothing was ever made."""
    try:
        await pools.ensure(node, pool)
    except NotReady as error:
        if error.reason == "Unsupported" and volume.status.capacity is None:
            return False
        raise
    return True


async def _wipe(node: Node, pool: str, uid: str) -> None:
    # Both in one: that it was wiped shows only in that it is gone.
    await node.host.wipe_volume(pool, uid)
    await node.host.delete_volume(pool, uid)


async def _leave(node: Node, pool: str, volume: VolumeView) -> None:
    """Leave a LUN as it is, or full of zeros."""
    place = pools.lent(node, pool, volume)
    if place is not None and volume.spec.wipe == "Enabled":
        chore = Chore(volume.meta.uid, "Wiping", f"volume {volume.meta.key} is being wiped")
        await node.chores.do(chore, partial(_wipe_unit, node, pool, place, volume))


async def _wipe_unit(node: Node, pool: str, place: Unit, volume: VolumeView) -> None:
    # Both in one: that it was wiped shows only in that the volume is gone.
    await node.host.wipe_lun(pool, place)
    await _let_go(node, volume)


async def _is_used_elsewhere(node: Node, volume: VolumeView) -> bool:
    """Ask the API server whether a machine on some node has a volume: of other nodes' Domains we do not hear."""
    listing = await node.cluster.list(DOMAIN, namespace=volume.meta.key.namespace)
    every = [read_domain(body) for body in listing.items]
    named = any(disk.volume_uid == volume.meta.uid for domain in every for disk in domain.spec.disks)
    return named or any(volume.meta.key.name in live.volumes(domain.status.live) for domain in every)


async def _check_rests(node: Node, order: DomainView, origin: DomainClone) -> None:
    """Object to a copy of an image that a guest of some node writes: Ceph has no lock that would tell."""
    if not pools.is_ceph(node, origin.pool):
        return
    listing = await node.cluster.list(DOMAIN, namespace=order.meta.key.namespace)
    every = (read_domain(body) for body in listing.items)
    if any(origin.volume in live.volumes(domain.status.live) for domain in every):
        words = "the volume to be copied is in use: its machine is on"
        raise NotReady(words, reason="SourceInUse", delay=LOOK_SECONDS)


async def look(node: Node, disk: DomainDisk) -> VolumeFile | None:
    """Look a disk's data up."""
    if disk.lun is not None:
        return await node.host.lun(disk.pool, disk.lun)
    return await node.host.volume(disk.pool, disk.volume_uid)


async def _unit(node: Node, disk: DomainDisk) -> VolumeFile:
    file = await node.host.lun(disk.pool, pools.unit(disk))
    if file is None:
        words = f"disk {disk.name}: the target of pool {disk.pool} does not offer LUN {disk.lun} to this node"
        raise NotReady(words, reason="LUNNotFound", delay=LOST_SECONDS)
    return file


async def ensure(node: Node, order: DomainView, disk: DomainDisk, *, current: bool) -> VolumeFile:
    """Have a disk's file as the Domain asks for it, for a guest that is off; `current`: by the API server's order."""
    if pools.is_lent(node, disk.pool):
        return await _unit(node, disk)
    file = await node.host.volume(disk.pool, disk.volume_uid)
    image = disk.image
    size = node.images.virtual_size(image.source, image=image.image) if image else None
    step = plan(disk, file, had_data=_had_data(node, order, disk, current=current), image_bytes=size)
    if isinstance(step, (Create, Copy, Grow)):
        _check_fits(node, disk, step.size_bytes)
    if isinstance(step, Grow):
        if disk.key:
            return await node.keys.grow(order, disk, step.size_bytes)
        return await node.host.grow_volume(disk.pool, disk.volume_uid, step.size_bytes)
    if isinstance(step, Create):
        return await _create(node, order, disk, step)
    if isinstance(step, Copy):
        assert disk.clone is not None
        await _check_rests(node, order, disk.clone)
        origin = disk.clone.pool, disk.clone.volume_uid
        copy = partial(node.host.copy_volume, disk.pool, disk.volume_uid, step.size_bytes, origin)
        return await _written(node, disk, copy, "Copying")
    assert file is not None
    return file


async def _create(node: Node, order: DomainView, disk: DomainDisk, step: Create) -> VolumeFile:
    """Make a disk's file, with what its image holds."""
    image = disk.image
    path = node.images.path(image.source, disk=True, image=image.image) if image else None
    if disk.key:
        whole = pools.is_shared(node, disk.pool)
        make = partial(node.keys.create, order, disk, step.size_bytes, path, whole=whole)
        return await _written(node, disk, make, "Encrypting")
    if pools.is_whole(node, disk.pool) or (path is not None and pools.is_shared(node, disk.pool)):
        make = partial(node.host.create_whole_volume, disk.pool, disk.volume_uid, step.size_bytes, path)
        return await _written(node, disk, make, "Copying")
    return await node.host.create_volume(disk.pool, disk.volume_uid, step.size_bytes, path)


async def _written(
    node: Node, disk: DomainDisk, work: Callable[[], Awaitable[VolumeFile]], reason: Literal["Copying", "Encrypting"]
) -> VolumeFile:
    words = {"Copying": "its data is being copied", "Encrypting": "its encrypted file is being made"}[reason]
    return await node.chores.do(Chore(disk.volume_uid, reason, f"disk {disk.name}: {words}"), work)


async def grow(node: Node, order: DomainView, disk: DomainDisk) -> VolumeFile:
    """Make a disk of the guest in flight larger."""
    size = disk.size_bytes or 0
    _check_fits(node, disk, size)
    await node.host.resize_disk(order.spec.uuid, disk.name, size)
    file = await node.host.volume(disk.pool, disk.volume_uid)
    if file is None:
        raise NotReady(f"disk {disk.name}: the file of volume {disk.volume} is not there", reason="VolumeLost")
    return file


def _check_fits(node: Node, disk: DomainDisk, size_bytes: int) -> None:
    """Object to a disk that could never be filled, however empty its pool is."""
    seen = node.shared.pools.get(disk.pool)
    capacity = seen.facts.capacity_bytes if seen and seen.facts else size_bytes
    if size_bytes > capacity:
        raise NotReady(
            f"disk {disk.name} of {size_bytes} bytes is larger than pool {disk.pool}, which has {capacity}",
            reason="PoolFull",
        )


def _had_data(node: Node, order: DomainView, disk: DomainDisk, *, current: bool) -> bool:
    """Whether the disk's data was ever seen here; by the last view's order that cannot be ruled out."""
    told = {fact.name: fact for fact in order.status.volumes or ()}.get(disk.volume)
    if disk.hardware.ephemeral == "Enabled":
        return False
    if disk.data == "Seen" or not current or (told is not None and told.capacity_bytes is not None):
        return True
    return must_exist(node.orders.volume(Key(order.meta.key.namespace, disk.volume)), disk.volume_uid)


def fact(disk: DomainDisk, file: VolumeFile | None) -> VolumeFact:
    """What is said of a disk's file."""
    if file is None:
        return VolumeFact(name=disk.volume, ready=False)
    return VolumeFact(
        name=disk.volume, ready=True, capacity_bytes=file.capacity_bytes, allocated_bytes=file.allocated_bytes
    )
