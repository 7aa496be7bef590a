"""How each action is done: one call of the API, or two; what it answers is in the caches when it returns."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from drover.api.kinds import ADDRESS, BUDGET, DOMAIN, HYPERVISOR, POD, VIRTUALMACHINE, VOLUME, Kind
from drover.controllers import node as nodes
from drover.controllers.promise import placed, promised
from drover.controllers.world import World
from drover.errors import InvalidSpec, NotReady
from drover.kube.errors import AlreadyExists, ApiFault, Conflict, Rejected
from drover.metrics.registry import wrote
from drover.planning import address, names
from drover.planning.action import (
    Abandon,
    Action,
    AddFinalizer,
    Allocate,
    Create,
    CreateDomain,
    Delete,
    Disown,
    LetGo,
    ReleaseAnchor,
    RemoveFinalizer,
    Stage,
    TakeVolume,
    UpdateSpec,
)
from drover.planning.adoption import Inherit, Left, heir, still_left
from drover.planning.anchor import RELEASE_GRACE_SECONDS
from drover.planning.ownership import machine_uid
from drover.planning.transition import News
from drover.planning.view import view
from drover.planning.volume import ANNOTATION_USER
from drover.runtime.store import Store
from drover.state.objects import read_domain
from drover.state.resource import Body, Key, Meta, read_meta

RECHECK_SECONDS = 5.0
"""Until a node that was not found to be off is asked about again."""


async def perform(stages: tuple[Stage, ...], world: World) -> None:
    """Do all that was decided: stage after stage, the actions of one at once; its first trouble ends it."""
    for stage in stages:
        outcomes = await asyncio.gather(*(do(action, world) for action in stage), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome


class Hindered(Rejected):
    """The API server refuses an action for now; `concern` is the condition of the machine that suffers."""

    def __init__(self, error: Rejected, concern: str) -> None:
        super().__init__(str(error), reason=error.reason, delay=error.delay)
        self.concern = concern


async def do(action: Action, world: World) -> None:
    """Do one action."""
    try:
        await ACTIONS[type(action)](action, world)
    except Rejected as error:
        raise Hindered(error, _concern(action)) from error


def _concern(action: Action) -> str:
    if isinstance(action, Create):
        return "Scheduled" if action.kind in {POD, BUDGET} else "VolumesReady"
    return "NetworkReady" if isinstance(action, Allocate) else "Running"


async def _add_finalizer(action: AddFinalizer, world: World) -> None:
    wrote(action.kind.name, "finalize")
    if await world.cluster.add_finalizer(action.kind, action.meta, action.finalizer) is None:
        raise Conflict(f"{action.kind.name} {action.meta.key} is going")


async def _remove_finalizer(action: RemoveFinalizer, world: World) -> None:
    wrote(action.kind.name, "finalize")
    if await world.cluster.remove_finalizer(action.kind, action.meta, action.finalizer) is None:
        _forget(world, action.kind, action.meta)


async def _create(action: Create, world: World) -> None:
    with promised(action, world):
        await _create_child(action, world)


async def _create_child(action: Create, world: World) -> None:
    wrote(action.kind.name, "create")
    try:
        await world.cluster.create(action.kind, action.body)
    except AlreadyExists:
        await _accept(action, world)
    except ApiFault as fault:
        # Only what the machine's owner wrote into the pod's scheduling fields can be wrong with it.
        raise InvalidSpec(str(fault)) from fault


async def _accept(action: Create, world: World) -> None:
    key = read_meta(action.body).key
    found = await world.cluster.get(action.kind, key)
    if found is None:
        raise Conflict(f"{action.kind.name} {key} came and went")
    learn(world, action.kind, found)
    if machine_uid(read_meta(found)) != action.uid and action.kind in {POD, BUDGET}:
        raise Rejected(
            f"a {action.kind.name} called {key.name} is in the way", reason="NameTaken", delay=RECHECK_SECONDS
        )


async def _abandon(action: Abandon, world: World) -> None:
    """Leave a Domain behind; should its guest be on after all, it is not given time when its node comes back."""
    domain = action.domain
    if not await nodes.is_off(domain.spec, world):
        raise NotReady(f"{domain.spec.node_name} may not be off", reason="NodeLost", delay=RECHECK_SECONDS)
    hurried = domain.spec.model_copy(update={"termination_grace_period_seconds": 0})
    spec = hurried.model_dump(mode="json", by_alias=True, exclude_none=True)
    if hurried != domain.spec:
        await _rewrite(world, DOMAIN, domain.meta, lambda body: {**body, "spec": spec})
    await _delete(Delete(DOMAIN, domain.meta), world)


async def _let_go(action: LetGo, world: World) -> None:
    domain = action.domain
    node, name = domain.spec.node_name, domain.meta.key.name
    if not await nodes.is_gone(node, world):
        raise NotReady(f"{node} may not be gone", reason="NodeLost", delay=RECHECK_SECONDS)
    await _remove_finalizer(RemoveFinalizer(DOMAIN, domain.meta, names.FINALIZER_AGENT), world)
    words = f"{node} was taken out of the cluster, so what {name} left there is not cleaned up"
    world.events.tell(action.machine, [News("AbandonedOnNode", words, warning=True)])


async def _create_domain(action: CreateDomain, world: World) -> None:
    with placed(action, world):
        await _create_incarnation(action, world)


async def _create_incarnation(action: CreateDomain, world: World) -> None:
    machine, epoch = action.machine, action.body["spec"]["epoch"]
    label = f"{names.LABEL_MACHINE}={machine.key.name}"
    listing, present = await asyncio.gather(
        world.cluster.list(DOMAIN, namespace=machine.key.namespace, labels=label),
        world.cluster.get(VIRTUALMACHINE, machine.key),
    )
    for found in listing.items:
        learn(world, DOMAIN, found)
        if found["spec"]["virtualMachine"]["uid"] != machine.uid:
            raise NotReady(f"{found['metadata']['name']} of an earlier machine is not gone yet", reason="NameTaken")
    if present is not None:
        learn(world, VIRTUALMACHINE, present)
    await _expect_orphan(action.left, machine, world)
    for found in listing.items:
        await _expect_left(found, epoch, world)
    if not _still(present, machine, epoch):
        raise Conflict(f"{machine.key} is not as it was")
    wrote(DOMAIN.name, "create")
    try:
        await world.cluster.create(DOMAIN, action.body)
    except AlreadyExists:
        other = await world.cluster.get(DOMAIN, read_meta(action.body).key)
        if other is not None:
            learn(world, DOMAIN, other)
        raise


async def _expect_orphan(left: Left | None, machine: Meta, world: World) -> None:
    """Make sure that a guest to take over is left still, by its agent's word, and that no Domain has a claim to it."""
    if left is None:
        return
    hypervisor, listing = await asyncio.gather(
        world.cluster.get(HYPERVISOR, Key("", left.node)), world.cluster.list(DOMAIN, namespace=machine.key.namespace)
    )
    if hypervisor is not None:
        learn(world, HYPERVISOR, hypervisor)
    if not still_left(left, hypervisor):
        raise Conflict(f"guest {left.orphan.uuid} is not left on {left.node} any more")
    if any(found["spec"]["uuid"] == left.orphan.uuid for found in listing.items):
        raise Conflict(f"a Domain speaks for guest {left.orphan.uuid}")


async def _inherit(action: Inherit, world: World) -> None:
    """Make a child the heir's, if the machine of its name really is the heir."""
    present = await world.cluster.get(VIRTUALMACHINE, action.machine.key)
    if not _is_the_same(present, action.machine):
        raise Conflict(f"{action.machine.key} is not as it was")
    await _rewrite(world, action.kind, action.meta, lambda body: heir(body, action))


async def _expect_left(found: Body, epoch: int, world: World) -> None:
    """Make sure that a Domain is no more than an order to clean up, for a node that is off at this moment."""
    domain = view(read_domain(found))
    if not domain.meta.deleting or domain.spec.epoch >= epoch:
        raise Conflict(f"{domain.meta.key.name} is there")
    if not await nodes.is_off(domain.spec, world):
        raise NotReady(f"{domain.meta.key.name} is not gone yet", reason="NodeLost", delay=RECHECK_SECONDS)


def _still(present: Body | None, machine: Meta, epoch: int) -> bool:
    """Tell whether a machine is still there, wanted, and has not been further than we know."""
    known: int = (present or {}).get("status", {}).get("epoch") or 0
    return _is_the_same(present, machine) and known < epoch


def _is_the_same(present: Body | None, machine: Meta) -> bool:
    meta = read_meta(present) if present else None
    return meta is not None and meta.uid == machine.uid and not meta.deleting


async def _allocate(action: Allocate, world: World) -> None:
    claim = action.claim
    if claim.address or claim.reserve_mac:
        await _claim(action, claim.address, world)
        return
    while (number := world.book.lowest(claim.network, action.windows)) is not None:
        # Taken at once: machines that are looked at at the same time get others.
        world.book.take(claim.network, number)
        try:
            if await _claim(action, address.text(number), world):
                return
        except BaseException:
            if world.stores.addresses.get(Key("", address.allocation(claim, address.text(number)))) is None:
                world.book.release(claim.network, number)
            raise
    raise NotReady(f"every address of {claim.network} is taken", reason="NoFreeAddress")


async def _claim(action: Allocate, chosen: str, world: World) -> bool:
    """Create an allocation; tell whether it is this machine's then."""
    body = address.body(action.claim, chosen, action.machine)
    wrote(ADDRESS.name, "create")
    try:
        await world.cluster.create(ADDRESS, body)
    except AlreadyExists:
        found = await world.cluster.get(ADDRESS, read_meta(body).key)
        if found is None:
            raise
        learn(world, ADDRESS, found)
        spec = found["spec"]
        return bool(spec["virtualMachine"]["uid"] == action.machine.uid and spec["interface"] == action.claim.interface)
    return True


async def _update_spec(action: UpdateSpec, world: World) -> None:
    await _rewrite(world, action.kind, action.meta, lambda body: {**body, "spec": action.spec})


async def _take_volume(action: TakeVolume, world: World) -> None:
    def take(body: Body) -> Body:
        metadata = dict(body["metadata"])
        metadata["annotations"] = {**metadata.get("annotations", {}), ANNOTATION_USER: action.uid}
        metadata["finalizers"] = list({*metadata.get("finalizers", []), names.FINALIZER_VOLUME})
        # It outlives the machine that it was made for.
        metadata["ownerReferences"] = []
        return {**body, "metadata": metadata}

    await _rewrite(world, VOLUME, action.meta, take)


async def _disown(action: Disown, world: World) -> None:
    def disown(body: Body) -> Body:
        owners = [each for each in body["metadata"].get("ownerReferences", []) if each["uid"] != action.uid]
        return {**body, "metadata": {**body["metadata"], "ownerReferences": owners}}

    await _rewrite(world, VOLUME, action.meta, disown)


async def _rewrite(world: World, kind: Kind, meta: Meta, change: Callable[[Body], Body]) -> None:
    """Replace an object that is still the version that was decided about."""
    found = await world.cluster.get(kind, meta.key)
    if found is None:
        _forget(world, kind, meta)
        raise Conflict(f"{kind.name} {meta.key} is gone")
    if read_meta(found).resource_version != meta.resource_version:
        learn(world, kind, found)
        raise Conflict(f"{kind.name} {meta.key} has changed")
    wrote(kind.name, "update")
    await world.cluster.replace(kind, change(found))


async def _delete(action: Delete, world: World) -> None:
    wrote(action.kind.name, "delete")
    await world.cluster.delete(action.kind, action.meta.key, uid=action.meta.uid)
    if not action.meta.finalizers:
        _forget(world, action.kind, action.meta)


async def _release_anchor(action: ReleaseAnchor, world: World) -> None:
    meta = action.meta
    if action.delete:
        wrote(POD.name, "delete")
        grace = 0 if action.force else RELEASE_GRACE_SECONDS
        await world.cluster.delete(POD, meta.key, uid=meta.uid, grace=grace)
    if names.FINALIZER_ANCHOR in meta.finalizers:
        await _remove_finalizer(RemoveFinalizer(POD, meta, names.FINALIZER_ANCHOR), world)


ACTIONS: Mapping[type[Action], Callable[[Any, World], Awaitable[None]]] = {
    Abandon: _abandon,
    AddFinalizer: _add_finalizer,
    Allocate: _allocate,
    Create: _create,
    CreateDomain: _create_domain,
    Delete: _delete,
    Disown: _disown,
    Inherit: _inherit,
    LetGo: _let_go,
    ReleaseAnchor: _release_anchor,
    RemoveFinalizer: _remove_finalizer,
    TakeVolume: _take_volume,
    UpdateSpec: _update_spec,
}


def learn(world: World, kind: Kind, body: Body) -> None:
    """Take an object that was read past the cache into the cache."""
    world.caches.learn(kind, body)


def _forget(world: World, kind: Kind, meta: Meta) -> None:
    """Take out of the cache what is known to be gone."""
    store: Store[Any] = world.caches.store(kind)
    cached = store.get(meta.key)
    if cached is not None and cached.meta.uid == meta.uid:
        store.observe_deleted(cached)
