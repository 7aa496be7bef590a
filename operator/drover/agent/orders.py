"""What the API server orders of this node: its Domains and what they refer to, cached or as they were last seen."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from drover.agent.lastview import LastView, same_orders
from drover.api.kinds import ADDRESS, DOMAIN, IMAGE, NETWORK, POOL, SECURITYGROUP, VOLUME, Kind
from drover.planning import live
from drover.planning.names import LABEL_OVERLAY
from drover.planning.view import (
    AddressView,
    DomainView,
    ImageView,
    NetworkView,
    PoolView,
    SecurityGroupView,
    VolumeView,
    view,
)
from drover.runtime.informer import Informer
from drover.runtime.mirror import Watch
from drover.state.objects import (
    Domain,
    read_address,
    read_domain,
    read_image,
    read_network,
    read_pool,
    read_securitygroup,
    read_volume,
)
from drover.state.resource import Body, Key, Resource
from drover.translation.network import tap, trunk

AnyResource = Resource[Any, Any]
READERS: Mapping[Kind, Callable[[Body], AnyResource]] = {
    DOMAIN: read_domain,
    VOLUME: read_volume,
    IMAGE: read_image,
    POOL: read_pool,
    NETWORK: read_network,
    SECURITYGROUP: read_securitygroup,
    ADDRESS: read_address,
}
"""Kinds that the agent goes by, and how each is read."""
TOLD = frozenset({NETWORK, SECURITYGROUP})
"""Kinds of whose status the agent goes by too: where the other nodes are, and who the members are."""
NAMESPACE = "namespace"
OF_NETWORK = "network"


def watches(node: str) -> tuple[Watch[Any], ...]:
    """What an agent watches: of other nodes' objects it never hears."""
    return (
        Watch(DOMAIN, read_domain, fields=f"spec.nodeName={node}"),
        Watch(VOLUME, read_volume, fields=f"status.nodeName={node}"),
        Watch(IMAGE, read_image, fields=f"status.nodeName={node}"),
        Watch(POOL, read_pool),
        Watch(NETWORK, read_network),
        Watch(
            ADDRESS,
            read_address,
            labels=f"{LABEL_OVERLAY}=true",
            indexes={OF_NETWORK: lambda found: found.spec.network},
        ),
        Watch(SECURITYGROUP, read_securitygroup, indexes={NAMESPACE: lambda found: found.meta.key.namespace}),
    )


@dataclass(frozen=True, slots=True)
class Named:
    """What of a Domain is looked up by other things than its name."""

    uuid: str
    epoch: int
    volumes: frozenset[Key]
    plugs: frozenset[tuple[str, str]]
    """Network and hardware address of each interface."""
    taps: frozenset[str]
    """Host side of each interface."""
    guarded: bool
    """Whether one of them names a security group."""


class Orders:
    """The orders of this node; from the last view until the API server has been read, from then on as it says."""

    def __init__(self, informer: Informer, last_view: LastView) -> None:
        self.primed = False
        """Whether the API server has been read in full by this process."""
        self._informer = informer
        self._last_view = last_view
        self._early: dict[Kind, dict[Key, AnyResource]] = {
            kind: {found.meta.key: found for found in last_view.load(kind, read)} for kind, read in READERS.items()
        }
        self._named: dict[Key, Named] = {}
        self._by_uuid: dict[str, Key] = {}
        self._users: dict[Key, set[Key]] = {}
        for found in self._early[DOMAIN].values():
            self._index(None, found)
        for kind in READERS:
            informer.subscribe(kind, partial(self._changed, kind))

    def settle(self) -> None:
        """Let go of the last view: the API server has been read."""
        for kind in READERS:
            present = frozenset(found.meta.key for found in self._informer.store(kind).values())
            self._last_view.keep_only(kind, present)
            for key in set(self._early[kind]) - present:
                if kind is DOMAIN:
                    self._index(self._early[kind][key], None)
            self._early[kind] = {}
        self.primed = True

    def domain(self, key: Key) -> DomainView | None:
        """Find a Domain of this node."""
        found = self._find(DOMAIN, key)
        return None if found is None else view(found)

    def volume(self, key: Key) -> VolumeView | None:
        """Find a volume whose data this node has."""
        found = self._find(VOLUME, key)
        return None if found is None else view(found)

    def image(self, key: Key) -> ImageView | None:
        """Find an image that this node captures and keeps."""
        found = self._find(IMAGE, key)
        return None if found is None else view(found)

    def pool(self, name: str) -> PoolView | None:
        """Find a pool."""
        found = self._find(POOL, Key("", name))
        return None if found is None else view(found)

    def network(self, name: str) -> NetworkView | None:
        """Find a network."""
        found = self._find(NETWORK, Key("", name))
        return None if found is None else view(found)

    def groups(self, namespace: str) -> Mapping[str, SecurityGroupView]:
        """Find the security groups of a namespace by name."""
        early = (each for each in self._early[SECURITYGROUP].values() if each.meta.key.namespace == namespace)
        known = self._informer.store(SECURITYGROUP).by(NAMESPACE, namespace)
        return {each.meta.key.name: view(each) for each in (*early, *known)}

    def addresses(self, network: str) -> Iterable[AddressView]:
        """List the allocations of an overlay, of machines on any node."""
        early = (each for each in self._early[ADDRESS].values() if each.spec.network == network)
        return (view(each) for each in (*early, *self._informer.store(ADDRESS).by(OF_NETWORK, network)))

    def taps(self) -> Iterable[tuple[str, Key]]:
        """Host side of every interface of the Domains here, and whose it is."""
        return ((each, key) for key, named in self._named.items() for each in named.taps)

    def trunks(self) -> frozenset[str]:
        """Links of the overlays."""
        return frozenset(trunk(key.name) for key in self.keys(NETWORK))

    def guarded(self, namespace: str) -> Iterable[Key]:
        """Names of the Domains of a namespace with an interface that names a security group."""
        return [key for key, named in self._named.items() if named.guarded and key.namespace == namespace]

    def on(self, network: str) -> Iterable[Key]:
        """Names of the Domains with an interface on a network."""
        return [key for key, named in self._named.items() if any(name == network for name, _ in named.plugs)]

    def keys(self, kind: Kind) -> Iterable[Key]:
        """Names of all objects of a kind."""
        return {*self._early[kind], *(found.meta.key for found in self._informer.store(kind).values())}

    def speaks_for(self, uuid: str) -> Key | None:
        """Name of the Domain of a guest."""
        return self._by_uuid.get(uuid)

    def epochs(self) -> Mapping[str, int]:
        """Epoch of the Domain of each uuid."""
        return {named.uuid: named.epoch for named in self._named.values()}

    def plugged_into(self, network: str) -> frozenset[str]:
        """Hardware addresses of the interfaces that Domains here have on a network."""
        plugs = (plug for named in self._named.values() for plug in named.plugs)
        return frozenset(mac for name, mac in plugs if name == network)

    def is_going(self, domain: Key) -> bool:
        """Whether a Domain is being deleted."""
        found = self._find(DOMAIN, domain)
        return found is not None and bool(found.meta.deleting)

    def users(self, volume: Key) -> frozenset[Key]:
        """Names of the Domains here that name a volume, or whose guests have it open still."""
        return frozenset(self._users.get(volume, ()))

    def _find(self, kind: Kind, key: Key) -> AnyResource | None:
        found: AnyResource | None = self._informer.store(kind).get(key)
        return found or self._early[kind].get(key)

    def _changed(self, kind: Kind, old: AnyResource | None, new: AnyResource | None) -> None:
        if kind is DOMAIN:
            self._index(old, new)
        if new is None:
            assert old is not None
            self._early[kind].pop(old.meta.key, None)
            self._last_view.remove(kind, old.meta.key)
        elif old is None or not same_orders(old, new) or (kind in TOLD and old.packed_status != new.packed_status):
            self._last_view.save(kind, new)

    def _index(self, old: Domain | None, new: Domain | None) -> None:
        for key in {found.meta.key for found in (old, new) if found}:
            self._unindex(key)
        if new is not None:
            self._add(new)

    def _unindex(self, key: Key) -> None:
        named = self._named.pop(key, None)
        if named is None:
            return
        if self._by_uuid.get(named.uuid) == key:
            del self._by_uuid[named.uuid]
        for volume in named.volumes:
            users = self._users[volume]
            users.discard(key)
            if not users:
                del self._users[volume]

    def _add(self, found: Domain) -> None:
        key, spec = found.meta.key, found.spec
        open_ = live.volumes(found.status.live)
        volumes = frozenset(Key(key.namespace, name) for name in (*(disk.volume for disk in spec.disks), *open_))
        plugs = frozenset((interface.network, interface.mac) for interface in spec.interfaces) | live_plugs(found)
        taps = frozenset(tap(spec.uuid, each.name) for each in spec.interfaces) | live_taps(found)
        guarded = any(each.security_groups for each in spec.interfaces)
        self._named[key] = Named(spec.uuid, spec.epoch, volumes, plugs, taps, guarded)
        self._by_uuid[spec.uuid] = key
        for volume in volumes:
            self._users.setdefault(volume, set()).add(key)


def live_plugs(found: Domain) -> frozenset[tuple[str, str]]:
    """Network and hardware address of the interfaces that a guest in flight was started with."""
    live = found.status.live
    words = (text.split() for text in (live.interfaces if live else ()))
    return frozenset((each[1], each[2]) for each in words if len(each) > 2)


def live_taps(found: Domain) -> frozenset[str]:
    """Host sides of the interfaces that a guest in flight was started with."""
    live = found.status.live
    words = (text.split() for text in (live.interfaces if live else ()))
    return frozenset(tap(found.spec.uuid, each[0]) for each in words if each)


def bound_here(volume: VolumeView | None, uid: str) -> bool:
    """Whether the API says that this node has, or had, the data of the volume with this uid."""
    return volume is not None and volume.meta.uid == uid


def must_exist(volume: VolumeView | None, uid: str) -> bool:
    """Whether the volume's data was seen here: then it is never made anew."""
    return bound_here(volume, uid) and volume is not None and volume.status.capacity is not None
