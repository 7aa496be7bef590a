"""What the agent knows of one guest at a moment: libvirt's word, the record, and its own memory."""

from drover.agent import pool as pools
from drover.agent.node import Node
from drover.errors import OperatorError
from drover.planning import names
from drover.planning.domain_seen import Seen
from drover.planning.view import DomainView
from drover.state.guest import Guest

ROOM_BYTES = 64 << 20
"""Free space of a pool that lets a guest that ran out of it run on …"""
ROOM_PART = 20
"""… or this part of a small pool."""


async def observe(node: Node, order: DomainView, *, current: bool, kinds_removed: bool = False) -> Seen:
    """Look at a guest and gather everything that a decision needs; `current`: by the API server's own order."""
    uuid, now = order.spec.uuid, node.cluster.now()
    guest = await node.host.guest(uuid)
    node.survey.saw(uuid, guest)
    memory, known = node.memory, node.memory.of(uuid)
    record = guest.record if guest else None
    stopping = record.stopping.since if record and record.stopping else None
    stopped = record.last_stop.time if record and record.last_stop else None
    return Seen(
        guest=guest,
        boot_id=node.identity.boot_id,
        now=now,
        primed=current,
        back_off=node.back_off,
        kinds_removed=kinds_removed,
        namesake="" if guest else await _namesake(node, order),
        stopping_for=memory.lasting(uuid, "stopping", stopping, now),
        asked_for=memory.ago(known.asked_at),
        stopped_for=memory.lasting(uuid, "stopped", stopped, now),
        ran_for=memory.lasting(uuid, "running", record.last_start if record else None, now),
        resumed_for=memory.ago(known.resumed_at),
        launched=known.launched,
        panicked=known.panicked,
        crashed=known.crashed,
        starved=known.starved,
        room=await _has_room(node, order, guest),
        saving=node.chores.is_doing(uuid),
        in_touch=node.in_touch() or not _is_contended(node, order),
        wired=guest is None or not guest.active or node.cabling.stands(order, guest.record.live),
    )


def _is_contended(node: Node, order: DomainView) -> bool:
    """Whether another node may come to use a volume: several see its bytes, or the API knows of none that has any."""
    told = {fact.name for fact in order.status.volumes or () if fact.capacity_bytes is not None}
    return any(disk.volume not in told or pools.is_shared(node, disk.pool) for disk in order.spec.disks)


async def _namesake(node: Node, order: DomainView) -> str:
    """Find another guest that has the name this one is to have."""
    name = names.libvirt(order.meta.key.namespace, order.spec.virtual_machine.name)
    uuid = node.survey.names.get(name, "")
    if not uuid or uuid == order.spec.uuid:
        return ""
    found = await node.host.guest(uuid)
    node.survey.saw(uuid, found)
    return uuid if found is not None else ""


async def _has_room(node: Node, order: DomainView, guest: Guest | None) -> bool:
    """Whether a guest that ran out of space would find some; asked only of one that did."""
    if guest is None or guest.reason != "IOError":
        return True
    try:
        growing = {disk.pool for disk in order.spec.disks if not pools.is_whole(node, disk.pool)}
        facts = [await pools.ensure(node, pool) for pool in growing]
    except OperatorError:
        return False
    return all(each.available_bytes >= min(ROOM_BYTES, each.capacity_bytes // ROOM_PART) for each in facts)
