"""Machines: gather, decide, act, report; until nothing is left to do that can be done at once."""

from dataclasses import replace

from drover.api.kinds import VIRTUALMACHINE
from drover.api.virtualmachine import VirtualMachineStatus
from drover.controllers.act import Hindered, perform
from drover.controllers.gather import gather, tokens
from drover.controllers.report import content, tell
from drover.controllers.watches import MACHINE, NAME, UID
from drover.controllers.world import World
from drover.errors import Busy, InvalidSpec
from drover.kube.definitions import kinds_removed
from drover.metrics.controller import start_step
from drover.planning import names
from drover.planning.conditions import Finding
from drover.planning.found import Found
from drover.planning.ownership import machine_uid
from drover.planning.teardown import release
from drover.planning.times import parse
from drover.planning.transition import news
from drover.planning.virtualmachine import Decision, decide
from drover.planning.virtualmachine_status import differs
from drover.state.resource import Key, pack, read_meta

ROUNDS = 6
"""Rounds of decisions before others get their turn: each one goes a step further, so few are ever needed."""
STEPS = ("scheduled", "prepared", "started", "ready")


async def reconcile(key: Key, world: World) -> float | None:
    """Bring one machine in line; gives the seconds until it wants to be looked at again."""
    await _release_strays(key, world)
    for _ in range(ROUNDS):
        found = await _undefined(gather(key, world), world)
        if found is None:
            forget(key, world)
            return None
        world.links.refer(key, tokens(found))
        decision = decide(found, now=world.now())
        if not decision.stages:
            return await report(found, decision, world)
        if decision.first:
            await report(found, replace(decision, settled=True), world)
        await _act(found, decision, world)
    raise Busy(f"{key} needs more rounds")


async def _undefined(found: Found | None, world: World) -> Found | None:
    """Find out whether a machine is being deleted only because its kind is: nobody ordered its data away."""
    if found is None or not found.machine.meta.deleting or found.machine.meta.uid in world.ordered:
        return found
    removed = await kinds_removed(world.cluster, VIRTUALMACHINE)
    if not removed:
        # It was deleted while its kind was whole: that stays an order.
        world.ordered.add(found.machine.meta.uid)
    return replace(found, kind_removed=removed)


async def _release_strays(key: Key, world: World) -> None:
    """Let go of terminating anchors of machines that had this name and are gone, by the word of the API server too."""
    stores = world.stores
    strays = [
        pod
        for pod in stores.anchors.by(NAME, str(key))
        if pod.meta.deleting
        and names.FINALIZER_ANCHOR in pod.meta.finalizers
        and not stores.machines.by(UID, machine_uid(pod.meta))
        and not stores.domains.by(MACHINE, machine_uid(pod.meta))
    ]
    if strays:
        present = await world.cluster.get(VIRTUALMACHINE, key)
        uid = read_meta(present).uid if present else ""
        gone = tuple(release(pod) for pod in strays if machine_uid(pod.meta) != uid)
        await perform((gone,), world)


async def _act(found: Found, decision: Decision, world: World) -> None:
    try:
        await perform(decision.stages, world)
    except Hindered as error:
        await _complain(found, Finding(error.concern, "False", error.reason, str(error)), world)
        raise
    except InvalidSpec as error:
        await _complain(found, Finding("Accepted", "False", error.reason, str(error)), world)
        raise


async def _complain(found: Found, trouble: Finding, world: World) -> None:
    """Say in the machine's status what the API server refuses."""
    fresh = gather(found.machine.meta.key, world)
    if fresh is not None and not fresh.machine.meta.deleting:
        decision = decide(fresh.told(trouble), now=world.now())
        await report(fresh, replace(decision, settled=True), world)


async def report(found: Found, decision: Decision, world: World) -> float | None:
    """Say what there is to say, once; gives the seconds for which it is still held back."""
    machine, status = found.machine, decision.status
    key = machine.meta.key
    world.phases[key] = status.phase if status and status.phase else ""
    if status is None or not differs(status, machine.status):
        world.patience.forget(key)
        return None
    remaining = 0.0 if decision.settled else world.patience.remaining(key, step(status))
    if remaining > 0:
        return remaining
    world.patience.forget(key)
    world.telling[key] = pack(content(status))
    await tell(VIRTUALMACHINE, machine.meta, status, world)
    world.events.tell(machine.meta, news(machine.status, status))
    _measure(machine.status, status)
    return None


def step(status: VirtualMachineStatus) -> str:
    """Put into one text what makes a passing status another than the one before."""
    return f"{status.phase} {[(each.type, each.status, each.reason) for each in status.conditions or []]}"


def forget(key: Key, world: World) -> None:
    """Drop what is remembered of a machine that is gone."""
    world.links.refer(key, frozenset())
    world.patience.forget(key)
    world.telling.pop(key, None)
    world.phases.pop(key, None)


def _measure(before: VirtualMachineStatus, after: VirtualMachineStatus) -> None:
    """Count the steps of a start that were passed since the last status."""
    old, new = before.start_timeline, after.start_timeline
    if new is None or new.accepted is None:
        return
    for step in STEPS:
        passed = getattr(new, step)
        if passed and passed != getattr(old, step, None):
            start_step(step, (parse(passed) - parse(new.accepted)).total_seconds())
