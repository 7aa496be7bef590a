"""Captured images: which node makes them and of what, who is told of it, and letting go those that no node has."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from drover.api.image import VirtualMachineImageStatus
from drover.api.kinds import DOMAIN, IMAGE, VIRTUALMACHINE, VOLUME, Kind
from drover.controllers.act import RECHECK_SECONDS, do, learn
from drover.controllers.gather import gather
from drover.controllers.node import is_gone
from drover.controllers.report import tell
from drover.controllers.watches import ORIGIN, origin_token
from drover.controllers.world import World
from drover.planning import capture as planning
from drover.planning import image as images
from drover.planning import names
from drover.planning.action import AddFinalizer, RemoveFinalizer
from drover.planning.pool import is_shared
from drover.planning.view import DomainView, ImageView, VolumeView, view
from drover.planning.volume import in_use
from drover.runtime.store import Cached, Changed
from drover.runtime.workqueue import WorkQueue
from drover.state import objects
from drover.state.resource import Key

T = TypeVar("T", bound=Cached)


async def reconcile(image: ImageView, world: World) -> float | None:
    """Bring one captured image in line; gives the seconds until it wants to be looked at again."""
    if image.meta.deleting:
        return await _let_go(image, world)
    if names.FINALIZER_IMAGE not in image.meta.finalizers:
        # Before any node is told to capture it: it clears away what it made.
        await do(AddFinalizer(IMAGE, image.meta, names.FINALIZER_IMAGE), world)
    await _report(image, world)
    return None


async def _let_go(image: ImageView, world: World) -> float | None:
    """Let an image go that no node has; else its node does that, and if it is off another one that can."""
    node = image.status.node_name
    gone = node is not None and not _sharers(image, world) and await is_gone(node, world)
    if planning.forsaken(image, gone=gone) and (gone or not await _is_begun(image, world)):
        await do(RemoveFinalizer(IMAGE, image.meta, names.FINALIZER_IMAGE), world)
        return None
    if names.FINALIZER_IMAGE in image.meta.finalizers:
        await _report(image, world)
        return RECHECK_SECONDS
    return None


async def _is_begun(image: ImageView, world: World) -> bool:
    """Ask the API server itself whether a node was told to capture an image: another controller may have done that."""
    found = await world.cluster.get(IMAGE, image.meta.key)
    if found is not None:
        learn(world, IMAGE, found)
    return found is not None and bool(found.get("status", {}).get("nodeName"))


async def _report(image: ImageView, world: World) -> None:
    made = planning.capture(image, _origin(image, world), _sharers(image, world))
    hypervisors = [view(each) for each in world.stores.hypervisors.values()]
    use = world.tally.use(IMAGE, image.meta.key)
    status: VirtualMachineImageStatus = images.status(image, hypervisors, now=world.now(), use=use, made=made)
    if status != image.status:
        await tell(IMAGE, image.meta, status, world)


def _origin(image: ImageView, world: World) -> planning.Origin:
    kind, key = planning.origin(image) or (VOLUME, image.meta.key)
    found = gather(key, world) if kind is VIRTUALMACHINE else None
    machine = found.machine if found else None
    name = key.name if kind is VOLUME else planning.first_volume(machine) if machine else ""
    volume = world.stores.volumes.get(Key(key.namespace, name))
    if volume is None:
        return planning.Origin(name, machine=machine)
    seen = view(volume)
    pool = world.stores.pools.get(Key("", seen.status.pool or seen.spec.pool or ""))
    return planning.Origin(name, seen, _users(seen, world), view(pool) if pool else None, machine)


def _users(volume: VolumeView, world: World) -> list[DomainView]:
    found = (world.stores.domains.get(name) for name in world.usage.domains(volume.meta.key))
    return [view(each) for each in found if each is not None]


def _sharers(image: ImageView, world: World) -> list[str]:
    """Nodes that see what an image's pool holds and are heard, if several do."""
    place = image.status.capture
    pool = world.stores.pools.get(Key("", place.pool)) if place else None
    if pool is None or not is_shared(view(pool)):
        return []
    told = view(pool).status.nodes or []
    return sorted(node.name for node in told if node.ready and node.name not in world.heartbeats.silent)


def callbacks(world: World, queues: dict[Kind, WorkQueue[Key]]) -> dict[Kind, Changed[Any]]:
    """Make what is called when something changes on which a capture waits, or an image for which machines wait."""

    def image_changed(old: objects.Image | None, new: objects.Image | None) -> None:
        if new is not None and _made(old) != _made(new):
            for key in world.links.users((IMAGE.plural, str(new.meta.key))):
                queues[VIRTUALMACHINE].add(key)

    return {IMAGE: image_changed, **_of_origins(world, queues)}


def _of_origins(world: World, queues: dict[Kind, WorkQueue[Key]]) -> dict[Kind, Changed[Any]]:
    def volume_changed(old: objects.Volume | None, new: objects.Volume | None) -> None:
        look_at_images_of((VOLUME, one(old, new).meta.key))

    def machine_changed(old: objects.Machine | None, new: objects.Machine | None) -> None:
        look_at_images_of((VIRTUALMACHINE, one(old, new).meta.key))

    def domain_changed(old: objects.Domain | None, new: objects.Domain | None) -> None:
        domains = [view(each) for each in (old, new) if each is not None]
        namespace = domains[0].meta.key.namespace
        look_at_images_of(*((VOLUME, Key(namespace, name)) for name in in_use(domains)))
        look_at_images_of((VIRTUALMACHINE, Key(namespace, domains[0].spec.virtual_machine.name)))

    def look_at_images_of(*origins: tuple[Kind, Key]) -> None:
        for key in _images_of(origins, world):
            queues[IMAGE].add(key)

    return {VOLUME: volume_changed, VIRTUALMACHINE: machine_changed, DOMAIN: domain_changed}


def _images_of(origins: Iterable[tuple[Kind, Key]], world: World) -> Iterator[Key]:
    """Find the images that are still to be captured from these."""
    for kind, key in origins:
        yield from (image.meta.key for image in world.stores.images.by(ORIGIN, origin_token(kind, key)))


def one(old: T | None, new: T | None) -> T:
    """Give whichever of the two is there, the newer first."""
    found = new or old
    assert found is not None, "a change is from or to something"
    return found


def _made(image: objects.Image | None) -> tuple[object, ...]:
    """What machines wait for that are to start from an image."""
    status = view(image).status if image else VirtualMachineImageStatus()
    return (status.node_name, status.capture, status.digest if status.capture else None)
