"""Gathering: all that a decision about a machine looks at, from the caches alone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from drover.api.base import Model
from drover.controllers.links import Token
from drover.controllers.watches import MACHINE, NAME, UID
from drover.controllers.world import World
from drover.planning import catalog as catalogs
from drover.planning import names, volume
from drover.planning.address import window
from drover.planning.catalog import Catalog, Names
from drover.planning.found import Found
from drover.planning.resolve import interfaces
from drover.planning.view import MachineView, View, VolumeView, view
from drover.runtime.store import Store
from drover.state.resource import Key, Resource

S = TypeVar("S", bound=Model)
T = TypeVar("T", bound=Model)


def gather(key: Key, world: World) -> Found | None:
    """Find a machine and all around it; ``None`` when it is gone."""
    resource = world.stores.machines.get(key)
    if resource is None:
        return None
    stores, uid, machine = world.stores, resource.meta.uid, view(resource)
    domains = sorted((view(each) for each in _own(stores.domains, key, uid)), key=lambda each: each.spec.epoch)
    owned = tuple(view(each) for each in _own(stores.volumes, key, uid))
    namespace = stores.namespaces.get(Key("", key.namespace))
    return Found(
        machine=machine,
        catalog=_catalog(machine, owned, world),
        policy=replace(world.policy, emulated=_emulated(world)),
        domains=tuple(domains),
        anchors=tuple(pod for pod in stores.anchors.by(MACHINE, uid) if pod.meta.key.namespace == key.namespace),
        namesakes=stores.anchors.by(NAME, str(key)),
        owned=owned,
        addresses=tuple(view(each) for each in stores.addresses.by(MACHINE, uid)),
        silent=next((each.spec.node_name for each in domains if world.heartbeats.is_silent(each.spec.node_name)), ""),
        closing=namespace is not None and namespace.terminating,
    )


def tokens(found: Found) -> frozenset[Token]:
    """All that a machine refers to, so that it is looked at again when one of these changes."""
    key, spec, catalog = found.machine.meta.key, found.machine.spec, found.catalog
    wanted = catalogs.wanted(key.name, key.namespace, spec)
    sources = {each.spec.source.image for each in catalog.volumes.values() if each.spec.source}
    images = wanted.images | {names.qualified(image, key.namespace) for image in sources if image}
    pairs = {
        "virtualmachineimages": images,
        "storagepools": wanted.pools | {catalog.default_pool, ""},
        "virtualnetworks": wanted.networks | {catalog.default_network, ""},
        "storagevolumes": {f"{key.namespace}/{name}" for name in wanted.volumes},
        "networkaddresses": catalogs.claims(spec, catalog.default_network) | catalog.exhausted,
    }
    return frozenset((plural, name) for plural, all_names in pairs.items() for name in all_names)


def _own(store: Store[Resource[S, T]], key: Key, uid: str) -> Iterator[Resource[S, T]]:
    """Find what was made for a machine; only in its namespace: an annotation elsewhere may say anything."""
    return (each for each in store.by(MACHINE, uid) if each.meta.key.namespace == key.namespace)


def _catalog(machine: MachineView, owned: Iterable[VolumeView], world: World) -> Catalog:
    stores, key, spec = world.stores, machine.meta.key, machine.spec
    default_pool = catalogs.default(view(each) for each in stores.pools.values())
    default_network = catalogs.default(view(each) for each in stores.networks.values())
    wanted = catalogs.wanted(key.name, key.namespace, spec)
    known = {each.meta.key.name: each for each in owned}
    volumes = {name: found for name in wanted.volumes if (found := known.get(name) or _volume(world, key, name))}
    networks = _shared(stores.networks, _networks(machine, wanted, default_network))
    namespace = stores.namespaces.get(Key("", key.namespace))
    return Catalog(
        namespace=key.namespace,
        labels=dict(namespace.meta.labels) if namespace else {},
        images=_shared(stores.images, _images(wanted, volumes, key.namespace)),
        pools=_shared(stores.pools, _pools(wanted, volumes, default_pool)),
        networks=networks,
        volumes=volumes,
        claimed={
            name: view(claimed)
            for name in catalogs.claims(spec, default_network)
            if (claimed := stores.addresses.get(Key("", name)))
        },
        default_pool=default_pool,
        default_network=default_network,
        exhausted=frozenset(
            name for name, network in networks.items() if world.book.lowest(name, window(network)) is None
        ),
        held=dict(_held(machine, volumes, world)),
    )


def _volume(world: World, key: Key, name: str) -> VolumeView | None:
    found = world.stores.volumes.get(Key(key.namespace, name))
    return view(found) if found else None


def _networks(machine: MachineView, wanted: Names, default: str) -> Iterable[str]:
    open_ = any(not each.network for each in interfaces(machine.spec))
    return wanted.networks | ({default} if open_ and default else frozenset())


def _pools(wanted: Names, volumes: Mapping[str, VolumeView], default: str) -> Iterable[str]:
    theirs = {each.status.pool or each.spec.pool for each in volumes.values()}
    return {name for name in (*wanted.pools, *theirs, default) if name}


def _images(wanted: Names, volumes: Mapping[str, VolumeView], namespace: str) -> Iterable[str]:
    sources = (each.spec.source.image for each in volumes.values() if each.spec.source)
    return wanted.images | {names.qualified(image, namespace) for image in sources if image}


def _shared(store: Store[Resource[S, T]], wanted: Iterable[str]) -> dict[str, View[S, T]]:
    found = {name: store.get(_key(name)) for name in wanted}
    return {name: view(each) for name, each in found.items() if each is not None}


def _key(name: str) -> Key:
    namespace, _, rest = name.rpartition("/")
    return Key(namespace, rest)


def _held(machine: MachineView, volumes: Mapping[str, VolumeView], world: World) -> Iterator[tuple[str, str]]:
    """Find volumes that another living machine uses or has a right to."""
    uid = machine.meta.uid
    for name, found in volumes.items():
        for claimant in volume.claimants(found.meta):
            if claimant == uid:
                break
            holder = _holder(claimant, found.meta.key, world)
            if holder:
                yield name, holder
                break


def _holder(uid: str, key: Key, world: World) -> str:
    """Name of the machine of this uid, if it is there and needs the volume."""
    for resource in world.stores.machines.by(UID, uid):
        if resource.meta.key.namespace != key.namespace:
            continue
        other = view(resource)
        theirs = volume.in_use(view(each) for each in world.stores.domains.by(MACHINE, uid))
        if key.name in theirs or (volume.wants(other, key.name) and not other.meta.deleting):
            return other.meta.key.name
    return ""


def _emulated(world: World) -> bool:
    return any(view(each).status.accelerator == "TCG" for each in world.stores.hypervisors.values())
