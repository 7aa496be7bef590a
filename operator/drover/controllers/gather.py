"""Gathering: all that a decision about a machine looks at, from the caches alone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from drover.api.base import Model
from drover.controllers import node as nodes
from drover.controllers.inherit import Heritage, inherit
from drover.controllers.inherit import key as key_of
from drover.controllers.links import Token
from drover.controllers.orphans import estate
from drover.controllers.pool import ROOMS
from drover.controllers.watches import ACCELERATOR, MACHINE, NAME, NAMESPACE, PLUG, SKEWED, UID, plug
from drover.controllers.world import World
from drover.planning import catalog as catalogs
from drover.planning import names, room, volume
from drover.planning.address import FAMILIES, windows
from drover.planning.capture import kept_in
from drover.planning.catalog import Catalog, Names
from drover.planning.conditions import Finding
from drover.planning.found import Found
from drover.planning.ledger import Room
from drover.planning.node import Lost
from drover.planning.resolve import home, interfaces
from drover.planning.seed import named
from drover.planning.service import finding
from drover.planning.skew import Skew, summarise
from drover.planning.view import AddressView, DomainView, MachineView, NetworkView, PoolView, View, VolumeView, view
from drover.runtime.store import Store
from drover.state.pod import Pod
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
    heritage = inherit(machine, domains[-1] if domains else None, world)
    owned = tuple(view(each) for each in _own(stores.volumes, key, uid))
    anchors = tuple(pod for pod in stores.anchors.by(MACHINE, uid) if pod.meta.key.namespace == key.namespace)
    lost = nodes.lost(world, machine)
    left = () if domains else world.orphans.of(key)
    namespace = stores.namespaces.get(Key("", key.namespace))
    return Found(
        machine=heritage.machine,
        catalog=_catalog(heritage, owned, world),
        inherited=heritage.inherited,
        latest=heritage.latest,
        policy=replace(world.policy, emulated=_emulated(world)),
        domains=tuple(domains),
        anchors=anchors,
        namesakes=stores.anchors.by(NAME, str(key)),
        owned=owned,
        addresses=tuple(view(each) for each in stores.addresses.by(MACHINE, uid)),
        budgets=stores.budgets.by(NAMESPACE, key.namespace),
        lost=lost,
        left=left,
        estate=estate(left, stores),
        skew=_skew(world),
        node_uids=dict(_node_uids(domains, anchors, lost, world)),
        endpoints=_endpoints(heritage.machine, world),
        secrets=_secrets(heritage.machine, world),
        closing=namespace is not None and namespace.terminating,
    )


def tokens(found: Found) -> frozenset[Token]:
    """All that a machine refers to, so that it is looked at again when one of these changes."""
    key, spec, catalog = found.machine.meta.key, found.machine.spec, found.catalog
    wanted = _wanted(Heritage(found.machine, found.inherited, found.latest))
    sources = {each.spec.source.image for each in catalog.volumes.values() if each.spec.source}
    volumes = wanted.volumes | set(catalog.volumes) | _origins(catalog.volumes)
    images = wanted.images | {names.qualified(image, key.namespace) for image in sources if image}
    pairs = {
        "virtualmachineimages": images,
        "storagepools": {*_pools(wanted, catalog.volumes, catalog.default_pool), ""},
        ROOMS: catalog.rooms,
        "virtualnetworks": wanted.networks | {catalog.default_network, ""},
        "storagevolumes": {f"{key.namespace}/{name}" for name in volumes},
        "securitygroups": {f"{key.namespace}/{name}" for name in wanted.groups},
        "plugins": {found.inherited.plugin} if found.inherited else (),
        "controllerrevisions": _revisions(found),
        "networkaddresses": catalogs.claims(spec, catalog.default_network) | catalog.exhausted | set(catalog.claimed),
    }
    return frozenset((plural, name) for plural, all_names in pairs.items() for name in all_names)


def _node_uids(
    domains: Iterable[DomainView], anchors: Iterable[Pod], lost: Mapping[str, Lost], world: World
) -> Iterator[tuple[str, str]]:
    """Find the Node objects of where a guest may come to be, and of where one is, as long as its agent is heard."""
    present = {each.spec.node_name for each in domains}
    heard = {name for name in present if world.heartbeats.is_heard(name)}
    for name in (heard | ({pod.node for pod in anchors} - present)) - set(lost):
        found = world.stores.nodes.get(Key("", name))
        if found is not None:
            yield name, found.meta.uid


def _revisions(found: Found) -> Iterable[str]:
    inherited = (found.inherited, found.latest[1] if found.latest else None)
    pairs = ((each.plugin.partition("/")[0], each.revision) for each in inherited if each)
    return {f"{namespace}/{name}" for namespace, name in pairs if name}


def _wanted(heritage: Heritage) -> Names:
    """Collect what a machine refers to now, and what it would after a restart on request."""
    key = heritage.machine.meta.key
    wanted = catalogs.wanted(key.name, key.namespace, heritage.machine.spec)
    if heritage.latest is None:
        return wanted
    return catalogs.union(wanted, catalogs.wanted(key.name, key.namespace, heritage.latest[0]))


def _own(store: Store[Resource[S, T]], key: Key, uid: str) -> Iterator[Resource[S, T]]:
    """Find what was made for a machine; only in its namespace: an annotation elsewhere may say anything."""
    return (each for each in store.by(MACHINE, uid) if each.meta.key.namespace == key.namespace)


def _catalog(heritage: Heritage, owned: Iterable[VolumeView], world: World) -> Catalog:
    machine, stores = heritage.machine, world.stores
    key = machine.meta.key
    default_pool = catalogs.default(view(each) for each in stores.pools.values())
    default_network = _home(machine, world)
    wanted = _wanted(heritage)
    known = {each.meta.key.name: each for each in owned}
    volumes = {name: found for name in wanted.volumes if (found := known.get(name) or _volume(world, key, name))}
    volumes |= {name: found for name in _origins(volumes) if (found := known.get(name) or _volume(world, key, name))}
    images = _shared(stores.images, _images(wanted, volumes, key.namespace))
    pools = _shared(stores.pools, _pools(wanted, volumes, default_pool) | kept_in(images.values()))
    networks = _shared(stores.networks, _networks(machine, wanted, default_network))
    namespace = stores.namespaces.get(Key("", key.namespace))
    return Catalog(
        namespace=key.namespace,
        labels=dict(namespace.meta.labels) if namespace else {},
        images=images,
        pools=pools,
        networks=networks,
        volumes=volumes,
        claimed={each.meta.key.name: each for each in _claimed(machine, default_network, world)},
        groups=frozenset(name for name in wanted.groups if stores.groups.get(Key(key.namespace, name))),
        default_pool=default_pool,
        default_network=default_network,
        exhausted=frozenset(name for name, network in networks.items() if _exhausted(network, world)),
        rooms=_rooms(machine, pools, volumes, world),
        held=dict(_held(machine, volumes, world)),
    )


def _secrets(machine: MachineView, world: World) -> dict[str, str]:
    """Find out which version each Secret has that a machine's seed names, as far as it was looked at."""
    keys = {each.name: Key(machine.meta.key.namespace, each.name) for each in named(machine.spec.cloud_init)}
    return {name: world.secrets[key].version for name, key in keys.items() if key in world.secrets}


def _rooms(
    machine: MachineView, pools: Mapping[str, PoolView], volumes: Mapping[str, VolumeView], world: World
) -> dict[str, Room]:
    """Find out what is promised in pools that are bounded, for a machine that asks for more there."""
    key = machine.meta.key
    bounded = [name for name, pool in pools.items() if pool.spec.overcommit or pool.spec.namespace_limit]
    if not bounded or not room.is_wanted(key.name, machine.spec, volumes):
        return {}
    return {name: world.ledger.room(name, key.namespace) for name in bounded}


def _origins(volumes: Mapping[str, VolumeView]) -> set[str]:
    """Names of the volumes that some of these are still to be copied from."""
    pending = (each.spec.source for each in volumes.values() if each.spec.source and not each.status.node_name)
    return {source.volume for source in pending if source.volume}


def _endpoints(machine: MachineView, world: World) -> Finding | None:
    """Find out whether the Services that mean a machine lead to it."""
    services = world.stores.services.by(NAMESPACE, machine.meta.key.namespace)
    if not services:
        return None
    home_ = _home(machine, world)
    reserved = [each for each in interfaces(machine.spec) if each.address_mode != "Unmanaged"]
    names_ = dict.fromkeys(each.network or home_ for each in reserved)
    return finding(services, machine, _shared(world.stores.networks, names_).values())


def _home(machine: MachineView, world: World) -> str:
    """Find the network of the interfaces that name none."""
    default = catalogs.default(view(each) for each in world.stores.networks.values())
    return home(machine.spec, default, _plugs(machine, world), {key.name for key in world.stores.networks.names()})


def _plugs(machine: MachineView, world: World) -> Iterator[tuple[str, str]]:
    """List the interfaces that a machine has, with their networks; those without addresses are in Domains alone."""
    for address in world.stores.addresses.by(MACHINE, machine.meta.uid):
        yield address.spec.interface, address.spec.network
    for domain in world.stores.domains.by(MACHINE, machine.meta.uid):
        yield from ((each.name, each.network) for each in view(domain).spec.interfaces)


def _exhausted(network: NetworkView, world: World) -> bool:
    """Tell whether a network has addresses to give out, and none of one of its families is left."""
    rooms = (windows(network, family) for family in FAMILIES)
    return any(room and world.book.lowest(network.meta.key.name, room) is None for room in rooms)


def _claimed(machine: MachineView, default_network: str, world: World) -> Iterator[AddressView]:
    """Find the allocations of what the spec asks for; a hardware address may be one that another machine was given."""
    addresses = world.stores.addresses
    for name in catalogs.claims(machine.spec, default_network):
        if (found := addresses.get(Key("", name))) is not None:
            yield view(found)
    for each in machine.spec.interfaces or []:
        if each.mac_address:
            network = each.network or default_network
            yield from (view(found) for found in addresses.by(PLUG, plug(network, each.mac_address)))


def _volume(world: World, key: Key, name: str) -> VolumeView | None:
    found = world.stores.volumes.get(Key(key.namespace, name))
    return view(found) if found else None


def _networks(machine: MachineView, wanted: Names, default: str) -> Iterable[str]:
    open_ = any(not each.network for each in interfaces(machine.spec))
    return wanted.networks | ({default} if open_ and default else frozenset())


def _pools(wanted: Names, volumes: Mapping[str, VolumeView], default: str) -> set[str]:
    theirs = {each.status.pool or each.spec.pool for each in volumes.values()}
    return {name for name in (*wanted.pools, *theirs, default) if name}


def _images(wanted: Names, volumes: Mapping[str, VolumeView], namespace: str) -> Iterable[str]:
    sources = (each.spec.source.image for each in volumes.values() if each.spec.source)
    return wanted.images | {names.qualified(image, namespace) for image in sources if image}


def _shared(store: Store[Resource[S, T]], wanted: Iterable[str]) -> dict[str, View[S, T]]:
    found = {name: store.get(key_of(name)) for name in wanted}
    return {name: view(each) for name, each in found.items() if each is not None}


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
        domains = [view(each) for each in world.stores.domains.by(MACHINE, uid)]
        other = inherit(view(resource), domains[-1] if domains else None, world).machine
        theirs = volume.in_use(domains)
        if key.name in theirs or (volume.wants(other, key.name) and not other.meta.deleting):
            return other.meta.key.name
    return ""


def _skew(world: World) -> Skew:
    beyond = world.stores.hypervisors.by(SKEWED, SKEWED)
    statuses = ((found.meta.key.name, view(found).status) for found in beyond)
    return summarise(statuses, len(tuple(world.stores.hypervisors.names())) if beyond else 0)


def _emulated(world: World) -> bool:
    return bool(world.stores.hypervisors.by(ACCELERATOR, "TCG"))
