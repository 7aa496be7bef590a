"""How each step for a Domain is carried out: one function an action, found in a table."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

from drover.agent import domain_devices as devices
from drover.agent import network as networks
from drover.agent import pool as pools
from drover.agent import volume as volumes
from drover.agent.chores import Chore
from drover.agent.domain_devices import Act
from drover.agent.orders import bound_here
from drover.agent.work import Work
from drover.agent.workers import Wanted
from drover.api.domain import DomainDisk, VolumeFact
from drover.api.kinds import DOMAIN, VOLUME
from drover.api.network import ON_HOST
from drover.errors import NotReady, Refused, Retryable, Unavailable
from drover.metrics.agent import start_phase
from drover.metrics.registry import wrote
from drover.planning import domain_action as does
from drover.planning import imagesource, live, names, support
from drover.planning import record as records
from drover.planning.hostdevice import Assigned
from drover.planning.view import DomainView, view
from drover.state.devices import drive_bus
from drover.state.guest import Blueprint, Files, Kernel, Record
from drover.state.host import HostFacts, Reservation
from drover.state.objects import read_volume
from drover.state.resource import Key

T = TypeVar("T")
BIND_SECONDS = 0.5
"""How soon to look again whether the API knows that this node has a volume's data."""
UNSUPPORTED_SECONDS = 45.0
"""How soon to look again whether the node has what a guest needs."""
QUEUE_SECONDS = 30.0
"""A start that waits for its turn looks again after so long, should nobody have called it."""


async def carry_out(work: Work, action: does.DomainAction) -> None:
    """Do one step."""
    await ACTS[type(action)](work, action)


# --- what a start needs ----------------------------------------------------------------------------------------------


async def _fetch_images(work: Work, _: does.FetchImages) -> None:
    wanted = [each async for each in _disk_files(work)]
    for place in filter(None, (imagesource.place(each.artifact.url) for each in wanted)):
        await pools.ensure(work.node, place[0])
    work.node.images.want(work.order.meta.key, [*wanted, *_kernel_files(work.order)])


async def _disk_files(work: Work) -> AsyncIterator[Wanted]:
    for disk in work.order.spec.disks:
        if disk.image and await work.node.host.volume(disk.pool, disk.volume_uid) is None:
            yield Wanted(disk.image.image, disk.image.source, disk=True)
    for medium in work.order.spec.media:
        if medium.image:
            yield Wanted(medium.image.image, medium.image.source, disk=False)


def _kernel_files(order: DomainView) -> Iterator[Wanted]:
    kernel = order.spec.kernel
    if kernel is not None:
        yield Wanted(kernel.image, kernel.kernel, disk=False)
    if kernel is not None and kernel.initrd is not None:
        yield Wanted(kernel.image, kernel.initrd, disk=False)


async def _ensure_pool(work: Work, action: does.EnsurePool) -> None:
    await pools.ensure(work.node, action.pool)


async def _ensure_volume(work: Work, action: does.EnsureVolume) -> None:
    disk = action.disk
    if disk.hardware.ephemeral == "Enabled":
        work.node.memory.of(work.order.spec.uuid).fresh[disk.volume_uid] = disk
    try:
        file = await volumes.ensure(work.node, work.order, disk, current=work.current)
    except NotReady as error:
        if error.reason == "VolumeLost":
            work.volumes[disk.volume] = _lost(work.order, disk)
        raise
    work.volumes[disk.volume] = volumes.fact(disk, file)


async def _open_volume(work: Work, action: does.OpenVolume) -> None:
    await work.node.keys.check(work.order, action.disk)


def _lost(order: DomainView, disk: DomainDisk) -> VolumeFact:
    """What is said of data that is gone: that it was there stays known, or it would be made anew one day."""
    known = {fact.name: fact for fact in order.status.volumes or ()}.get(disk.volume)
    return VolumeFact(name=disk.volume, ready=False, capacity_bytes=known.capacity_bytes if known else None)


async def _ensure_network(work: Work, action: does.EnsureNetwork) -> None:
    await networks.ensure(work.node, action.network)


async def _write_lease(work: Work, action: does.WriteLease) -> None:
    interface, machine = action.interface, work.order.spec.virtual_machine.name
    network = work.node.orders.network(interface.network)
    if not (interface.ip or interface.ipv6) or network is None or network.spec.type in ON_HOST:
        return
    reservation = Reservation(
        interface.mac,
        interface.ip,
        work.order.meta.key.namespace,
        machine,
        ipv6=interface.ipv6,
        silent=interface.address_mode != "DHCP",
    )
    await work.node.host.reserve(interface.network, networks.zone(work.node, interface.network), reservation)


async def _remove_lease(work: Work, action: does.RemoveLease) -> None:
    await work.node.host.release(action.interface.network, action.interface.mac)
    await work.node.cabling.remove(work.order.spec.uuid, action.interface)


async def _set_interfaces(work: Work, _: does.SetInterfaces) -> None:
    guest = await work.node.host.guest(work.order.spec.uuid)
    live = guest.record.live if guest is not None and guest.active else None
    await work.node.cabling.set(work.order, live)


async def _write_seed(work: Work, _: does.WriteSeed) -> None:
    work.told = await work.node.seeds.write(work.order)


# --- the guest -------------------------------------------------------------------------------------------------------


async def _take_turn(work: Work, _: does.TakeTurn) -> None:
    known = work.node.memory.of(work.order.spec.uuid)
    known.wanted_at = known.wanted_at or work.node.memory.clock()
    if not work.node.gate.enter(work.order.meta.key):
        raise NotReady("other guests are being started first", reason="Queued", delay=QUEUE_SECONDS)


async def _launch(work: Work, action: does.Launch) -> None:
    node, known = work.node, work.node.memory.of(work.order.spec.uuid)
    if work.order.spec.seed is None:
        # Of a seed that it had before nothing is needed any more, least of all its secrets.
        await node.seeds.remove(work.order.spec.uuid)
    record = _with_secrets(action.record, work.told)
    async with node.devices.chosen(work.order) as given:
        plan = await _blueprint(work, _with_devices(record, given))
        if given:
            # From here on its definition says whose they are.
            await node.host.define(plan)
            node.changed()
    begun = node.memory.clock()
    known.begin()
    async with node.keys.lent(work.order, work.order.spec.disks):
        await node.host.launch(plan, paused=action.paused)
    known.launched = True
    start_phase("prepare", begun - (known.wanted_at or begun))
    start_phase("create", node.memory.clock() - begun)
    known.wanted_at = None


def _with_secrets(record: Record, told: Mapping[str, str]) -> Record:
    """Write down what the guest is told this time: only now is it known."""
    live = record.live
    lines = [f"{name} {version}" for name, version in sorted(told.items())]
    return replace(record, live=live.model_copy(update={"secrets": lines})) if live and lines else record


def _with_devices(record: Record, given: Sequence[Assigned]) -> Record:
    """Write down which devices of the node a start gets."""
    return replace(record, live=live.given(record.live, given)) if record.live else record


async def _define(work: Work, action: does.Define) -> None:
    await work.node.host.define(await _blueprint(work, action.record))


async def _check_host(work: Work, _: does.CheckHost) -> None:
    spec, guest = work.order.spec, await work.node.host.guest(work.order.spec.uuid)
    record = guest.record if guest else records.fresh("", "", spec)
    words = await _wanting(
        work, lambda facts: support.missing(spec.machine, facts, record, direct=spec.kernel is not None)
    )
    if words:
        raise NotReady(words, reason="Unsupported", delay=UNSUPPORTED_SECONDS)
    await work.node.devices.check(work.order)


async def lacks(work: Work, record: Record) -> Mapping[str, str]:
    """What the node lacks for a guest in flight that would be started otherwise now, by path in the machine's spec."""
    spec = work.order.spec
    if record.live is None or record.live.settings == live.settings(spec.machine):
        return {}
    return await _wanting(
        work, lambda facts: support.lacks(spec.machine, facts, record, direct=spec.kernel is not None)
    )


async def _wanting(work: Work, find: Callable[[HostFacts], T]) -> T:
    """Find what the host lacks; looked at afresh before anything is said to be missing."""
    found = find(await work.node.host.facts())
    return find(await work.node.host.facts(afresh=True)) if found else found


async def _blueprint(work: Work, record: Record) -> Blueprint:
    spec, node = work.order.spec, work.node
    files = Files(
        disks=tuple(pools.place(node, disk) for disk in spec.disks),
        media=tuple(devices.content(work, medium) for medium in spec.media),
        log=PurePosixPath(node.host.logs.path(spec.uuid)),
        kernel=_kernel(work),
        seed=PurePosixPath(node.seeds.path(spec.uuid, spec.seed)) if spec.seed else None,
    )
    fitted = support.fitted(spec.machine, await node.host.facts(), record)
    placed = live.placed(record.live, drive_bus(fitted.architecture)) if record.live else None
    pinned = replace(record, machine_type=fitted.machine, architecture=fitted.platform, live=placed)
    return Blueprint(work.order.meta.key.namespace, spec, files, fitted, pinned, live.members(record.live))


def _kernel(work: Work) -> Kernel | None:
    kernel, images = work.order.spec.kernel, work.node.images
    if kernel is None:
        return None
    file, *more = (
        PurePosixPath(images.path(each, disk=False, image=kernel.image))
        for each in (kernel.kernel, kernel.initrd)
        if each is not None
    )
    return Kernel(file, more[0] if more else None, kernel.arguments)


async def _restore(work: Work, action: does.Restore) -> None:
    host, uuid = work.node.host, work.order.spec.uuid
    await host.write_record(uuid, action.record)
    try:
        async with work.node.keys.lent(work.order, work.order.spec.disks):
            await host.start(uuid, paused=action.paused)
    except Refused as error:
        await host.write_record(uuid, replace(action.record, problem=error.reason))


async def _write_record(work: Work, action: does.WriteRecord) -> None:
    await work.node.host.write_record(work.order.spec.uuid, action.record)


async def _pause(work: Work, _: does.Pause) -> None:
    await work.node.host.suspend(work.order.spec.uuid)


async def _resume(work: Work, _: does.Resume) -> None:
    known = work.node.memory.of(work.order.spec.uuid)
    known.resumed_at = work.node.memory.clock()
    await work.node.host.resume(work.order.spec.uuid)


async def _request_shutdown(work: Work, _: does.RequestShutdown) -> None:
    known = work.node.memory.of(work.order.spec.uuid)
    known.asked_at = work.node.memory.clock()
    await work.node.host.shutdown(work.order.spec.uuid)


async def _cut_power(work: Work, _: does.CutPower) -> None:
    await work.node.host.destroy(work.order.spec.uuid)


async def _hibernate(work: Work, _: does.Hibernate) -> None:
    uuid = work.order.spec.uuid
    chore = Chore(uuid, "Hibernating", "its memory is being saved")
    await work.node.chores.do(chore, partial(work.node.host.hibernate, uuid))


async def _stop_saving(work: Work, _: does.StopSaving) -> None:
    # First of all: one that waits for its turn must not begin.
    work.node.chores.give_up(work.order.spec.uuid)
    await work.node.host.stop_saving(work.order.spec.uuid)


async def _discard_save(work: Work, _: does.DiscardSave) -> None:
    await work.node.host.discard_save(work.order.spec.uuid)


async def _undefine(work: Work, _: does.Undefine) -> None:
    await work.node.host.undefine(work.order.spec.uuid)
    # Known at once: for a moment it would pass for a guest that no Domain speaks for.
    work.node.survey.saw(work.order.spec.uuid, None)


# --- the Domain ------------------------------------------------------------------------------------------------------


async def _hold(work: Work, _: does.HoldDomain) -> None:
    wrote(DOMAIN.name, "finalize")
    found = await work.node.cluster.add_finalizer(DOMAIN, work.order.meta, names.FINALIZER_AGENT)
    if found is None:
        raise NotReady("the Domain is going", reason="Deleted", delay=1.0)
    work.order = replace(work.order, meta=replace(work.order.meta, finalizers=tuple(found["metadata"]["finalizers"])))


async def _release(work: Work, action: does.ReleaseDomain) -> None:
    for disk in work.order.spec.disks:
        work.node.chores.check_idle(disk.volume_uid)
    if not action.orphaned:
        for disk in work.order.spec.disks:
            await _check_bound(work, disk)
        await work.node.seeds.remove(work.order.spec.uuid)
    wrote(DOMAIN.name, "finalize")
    await work.node.cluster.remove_finalizer(DOMAIN, work.order.meta, names.FINALIZER_AGENT)
    work.node.memory.forget(work.order.spec.uuid)
    work.released = True


async def _check_bound(work: Work, disk: DomainDisk) -> None:
    """Object while the API does not know that this node has a volume's data: nobody would delete it any more."""
    node, key = work.node, Key(work.order.meta.key.namespace, disk.volume)
    if bound_here(node.orders.volume(key), disk.volume_uid):
        return
    if node.orders.pool(disk.pool) is None or not await _may_be_here(work, disk):
        return
    body = await node.cluster.get(VOLUME, key)
    volume = view(read_volume(body)) if body else None
    if volume is None or volume.meta.uid != disk.volume_uid or volume.status.node_name == node.identity.name:
        return
    if volume.status.node_name:
        await _leave_to(work, disk)
        return
    raise NotReady(f"volume {disk.volume} is not bound to this node yet", reason="VolumeNotBound", delay=BIND_SECONDS)


async def _leave_to(work: Work, disk: DomainDisk) -> None:
    """Clear away a file that was begun here and never told of: the volume has its data on another node by now."""
    if not pools.is_shared(work.node, disk.pool):
        await work.node.host.delete_volume(disk.pool, disk.volume_uid)


async def _may_be_here(work: Work, disk: DomainDisk) -> bool:
    """Whether this node has a volume's data, as far as its pool can be asked; nobody waits for a pool in vain."""
    told = {fact.name: fact for fact in work.order.status.volumes or ()}.get(disk.volume)
    try:
        await pools.ensure(work.node, disk.pool)
        return await volumes.look(work.node, disk) is not None
    except Unavailable:
        raise
    except Retryable:
        if told is None or told.capacity_bytes is None:
            return False
        raise


ACTS: dict[type, Act] = {
    **devices.ACTS,
    does.CheckHost: _check_host,
    does.FetchImages: _fetch_images,
    does.EnsurePool: _ensure_pool,
    does.EnsureVolume: _ensure_volume,
    does.OpenVolume: _open_volume,
    does.EnsureNetwork: _ensure_network,
    does.WriteLease: _write_lease,
    does.WriteSeed: _write_seed,
    does.RemoveLease: _remove_lease,
    does.SetInterfaces: _set_interfaces,
    does.Define: _define,
    does.TakeTurn: _take_turn,
    does.Launch: _launch,
    does.Restore: _restore,
    does.WriteRecord: _write_record,
    does.Pause: _pause,
    does.Resume: _resume,
    does.RequestShutdown: _request_shutdown,
    does.CutPower: _cut_power,
    does.Hibernate: _hibernate,
    does.StopSaving: _stop_saving,
    does.DiscardSave: _discard_save,
    does.Undefine: _undefine,
    does.HoldDomain: _hold,
    does.ReleaseDomain: _release,
}
