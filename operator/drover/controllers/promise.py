"""Room in pools that is promised while something is being made: many are decided about at once, by the same figures."""

from collections.abc import Iterator
from contextlib import contextmanager

from drover.api.kinds import VOLUME
from drover.controllers.world import World
from drover.kube.errors import Conflict
from drover.planning.action import Create, CreateDomain
from drover.planning.pool import is_shared
from drover.planning.room import crowded, overfull
from drover.planning.view import DomainView, PoolView, view
from drover.state.objects import read_domain, read_volume
from drover.state.resource import Key, read_meta

LATEST = "9999"
"""Stands for when something is made that is just about to be: after all that is there."""


@contextmanager
def promised(action: Create, world: World) -> Iterator[None]:
    """Count a volume from now on, and object if others took the room since it was decided to make it."""
    pool = _bounded(action, world)
    key = read_meta(action.body).key
    if pool is None or world.stores.volumes.get(key) is not None:
        yield
        return
    metadata = {**action.body["metadata"], "creationTimestamp": LATEST}
    volume = view(read_volume({**action.body, "metadata": metadata}))
    world.ledger.observe(None, volume)
    try:
        if crowded(pool, world.ledger.room(pool.meta.key.name, key.namespace)):
            raise Conflict(f"the room for StorageVolume {key} was promised to others meanwhile")
        yield
    finally:
        if world.stores.volumes.get(key) is None:
            world.ledger.observe(volume, None)


def _bounded(action: Create, world: World) -> PoolView | None:
    """Find the pool of a volume that is to be made, if it is a bounded one: of others nothing is summed up."""
    found = world.stores.pools.get(Key("", action.body["spec"].get("pool") or "")) if action.kind is VOLUME else None
    pool = view(found) if found else None
    return pool if pool and (pool.spec.namespace_limit or pool.spec.overcommit) else None


@contextmanager
def placed(action: CreateDomain, world: World) -> Iterator[None]:
    """Count what a Domain's disks take of its node from now on, and object if others took the room meanwhile."""
    if not any(view(pool).spec.overcommit for pool in world.stores.pools.values()):
        yield
        return
    domain = view(read_domain(action.body))
    world.ledger.place(None, domain)
    try:
        if pool := next((name for name in _new_pools(domain, world) if _is_overfull(name, domain, world)), None):
            raise Conflict(f"the room in pool {pool} on {domain.spec.node_name} was promised to others meanwhile")
        yield
    finally:
        if world.stores.domains.get(domain.meta.key) is None:
            world.ledger.place(domain, None)


def _new_pools(domain: DomainView, world: World) -> set[str]:
    """Find the pools in which a Domain's node is to make volumes."""
    namespace = domain.meta.key.namespace
    known = ((disk.pool, world.stores.volumes.get(Key(namespace, disk.volume))) for disk in domain.spec.disks)
    return {pool for pool, found in known if found is None or not view(found).status.node_name}


def _is_overfull(name: str, domain: DomainView, world: World) -> bool:
    pool = world.stores.pools.get(Key("", name))
    room = world.ledger.room(name, domain.meta.key.namespace)
    return pool is not None and not is_shared(view(pool)) and overfull(view(pool), room, domain.spec.node_name)
