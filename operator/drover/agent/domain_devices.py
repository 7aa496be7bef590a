"""How each step for the hardware of a guest in flight is carried out: one function an action, found in a table."""

from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath
from typing import Any

from drover.agent import pool as pools
from drover.agent import volume as volumes
from drover.agent.work import Work
from drover.api.domain import DomainMedium, VolumeFact
from drover.planning import domain_action as does

Act = Callable[[Work, Any], Awaitable[None]]


def content(work: Work, medium: DomainMedium) -> PurePosixPath | None:
    """Where the file is that a drive is to have in it."""
    image = medium.image
    return PurePosixPath(work.node.images.path(image.source, disk=False, image=image.image)) if image else None


async def _set_cores(work: Work, action: does.SetCores) -> None:
    await work.node.host.set_cores(work.order.spec.uuid, action.cores)


async def _set_memory(work: Work, action: does.SetMemory) -> None:
    await work.node.host.set_memory(work.order.spec.uuid, action.size_bytes)


async def _attach_disk(work: Work, action: does.AttachDisk) -> None:
    disk = action.disk
    work.node.memory.of(work.order.spec.uuid).fresh.pop(disk.volume_uid, None)
    async with work.node.keys.lent(work.order, (disk,)):
        await work.node.host.attach_disk(work.order.spec.uuid, disk, pools.place(work.node, disk), action.device)


async def _detach_disk(work: Work, action: does.DetachDisk) -> None:
    await work.node.host.detach_disk(work.order.spec.uuid, action.name)


async def _resize_disk(work: Work, action: does.ResizeDisk) -> None:
    work.volumes[action.disk.volume] = volumes.fact(action.disk, await volumes.grow(work.node, work.order, action.disk))


async def _limit_disk(work: Work, action: does.LimitDisk) -> None:
    await work.node.host.limit_disk(work.order.spec.uuid, action.name, action.bounds)


async def _set_medium(work: Work, action: does.SetMedium) -> None:
    await work.node.host.set_medium(work.order.spec.uuid, action.medium.name, content(work, action.medium))


async def _attach_interface(work: Work, action: does.AttachInterface) -> None:
    # Its packet filter is there before it.
    await work.node.cabling.guard(work.order, action.live, action.interface.name)
    await work.node.host.attach_interface(work.order.spec.uuid, action.interface)


async def _detach_interface(work: Work, action: does.DetachInterface) -> None:
    await work.node.host.detach_interface(work.order.spec.uuid, action.name)


async def _drop_volume(work: Work, action: does.DropVolume) -> None:
    disk, fresh = action.disk, work.node.memory.of(work.order.spec.uuid).fresh
    if fresh.get(disk.volume_uid) == disk:
        return
    work.node.chores.check_idle(disk.volume_uid)
    fresh.pop(disk.volume_uid, None)
    await pools.ensure(work.node, disk.pool)
    await work.node.host.delete_volume(disk.pool, disk.volume_uid)
    work.volumes[disk.volume] = VolumeFact(name=disk.volume, ready=False)


ACTS: dict[type, Act] = {
    does.SetCores: _set_cores,
    does.SetMemory: _set_memory,
    does.AttachDisk: _attach_disk,
    does.DetachDisk: _detach_disk,
    does.ResizeDisk: _resize_disk,
    does.LimitDisk: _limit_disk,
    does.SetMedium: _set_medium,
    does.AttachInterface: _attach_interface,
    does.DetachInterface: _detach_interface,
    does.DropVolume: _drop_volume,
}
