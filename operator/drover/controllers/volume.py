"""Volumes: what their Domains tell of them, and letting go those that never had data."""

from drover.api.kinds import DOMAIN, VOLUME
from drover.api.volume import StorageVolumeStatus
from drover.controllers.act import RECHECK_SECONDS, do, learn
from drover.controllers.node import is_gone
from drover.controllers.patience import SECONDS
from drover.controllers.report import tell
from drover.controllers.world import World
from drover.planning import names
from drover.planning import volume as planning
from drover.planning.action import RemoveFinalizer
from drover.planning.pool import is_shared
from drover.planning.room import excess
from drover.planning.view import DomainView, VolumeView, view
from drover.state.resource import Key

PENDING_SECONDS = 10.0


async def reconcile(key: Key, world: World) -> float | None:
    """Bring what is said of one volume in line; gives the seconds until it wants to be looked at again."""
    resource = world.stores.volumes.get(key)
    if resource is None:
        world.patience.forget((VOLUME, key))
        return None
    volume = view(resource)
    if planning.forsaken(volume, _domains(volume, world), gone=_seems_gone(volume, world)):
        return await _let_go(volume, world)
    return await _report(volume, world)


def _domains(volume: VolumeView, world: World) -> list[DomainView]:
    """Domains that name this very volume, not one of its name before it."""
    found = (world.stores.domains.get(name) for name in world.usage.domains(volume.meta.key))
    named = (view(each) for each in found if each is not None)
    return [each for each in named if any(disk.volume_uid == volume.meta.uid for disk in each.spec.disks)]


def _seems_gone(volume: VolumeView, world: World) -> bool:
    """Tell whether the node with a volume's data is silent and out of the cluster, as the caches have it."""
    node = volume.status.node_name or ""
    if _sharers(volume, world):
        return False
    return node in world.heartbeats.silent and world.stores.nodes.get(Key("", node)) is None


def _sharers(volume: VolumeView, world: World) -> list[str]:
    """Nodes that see a volume's bytes and are heard, if its pool is of those that several nodes see."""
    pool = world.stores.pools.get(Key("", volume.status.pool or volume.spec.pool or ""))
    if pool is None or not is_shared(view(pool)):
        return []
    told = view(pool).status.nodes or []
    return sorted(node.name for node in told if node.ready and node.name not in world.heartbeats.silent)


def _beyond(volume: VolumeView, world: World) -> str:
    """Say what a volume asks for beyond what its namespace may have in its pool; empty if it does not."""
    pool = world.stores.pools.get(Key("", volume.status.pool or volume.spec.pool or world.ledger.default))
    if pool is None or view(pool).spec.namespace_limit is None:
        return ""
    return excess(volume, view(pool), world.ledger.room(pool.meta.key.name, volume.meta.key.namespace))


def _unusable(volume: VolumeView, world: World) -> str:
    """Say why the node of a volume cannot use its pool; empty if it can, or that is not known."""
    pool = world.stores.pools.get(Key("", volume.status.pool or volume.spec.pool or ""))
    told = (view(pool).status.nodes or []) if pool else []
    found = (node for node in told if node.name == volume.status.node_name and not node.ready)
    return next((f"pool {pool.meta.key.name} on {node.name}: {node.message}" for node in found if pool), "")


async def _let_go(volume: VolumeView, world: World) -> float | None:
    """Let a volume go, unless a Domain that the cache does not know of needs it, or its node is there after all."""
    key = volume.meta.key
    listing = await world.cluster.list(DOMAIN, namespace=key.namespace)
    for found in listing.items:
        learn(world, DOMAIN, found)
    node = volume.status.node_name
    gone = node is not None and await is_gone(node, world)
    if planning.forsaken(volume, _domains(volume, world), gone=gone):
        await do(RemoveFinalizer(VOLUME, volume.meta, names.FINALIZER_VOLUME), world)
        return None
    return RECHECK_SECONDS


async def _report(volume: VolumeView, world: World) -> float | None:
    key, before = volume.meta.key, volume.status
    around = planning.Surroundings(_sharers(volume, world), _beyond(volume, world), _unusable(volume, world))
    status = planning.status(volume, _domains(volume, world), around, now=world.now())
    silent = volume.meta.deleting and not around.unusable and status.node_name == before.node_name
    if status == before or silent:
        world.patience.forget((VOLUME, key))
        return None
    remaining = (
        0.0 if _settled(before, status) else world.patience.remaining((VOLUME, key), status.phase, _seconds(status))
    )
    if remaining > 0:
        return remaining
    world.patience.forget((VOLUME, key))
    await tell(VOLUME, volume.meta, status, world)
    return None


def _seconds(status: StorageVolumeStatus) -> float:
    """How long a passing status is held back: that nobody has needed a volume yet is no news."""
    return SECONDS if status.node_name else PENDING_SECONDS


def _settled(before: StorageVolumeStatus, status: StorageVolumeStatus) -> bool:
    """Tell whether it was just bound: agents wait for that. All else may pass."""
    return status.node_name != before.node_name
