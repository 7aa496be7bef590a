"""What a machine's spec refers to, as far as it is there: the shared objects one decision may look at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from drover.api.virtualmachine import VirtualMachineSpec
from drover.planning import names
from drover.planning.ledger import Room
from drover.planning.view import AddressView, ImageView, NetworkView, PoolView, VolumeView
from drover.state.resource import Meta


@dataclass(frozen=True, slots=True)
class Names:
    """Names that a spec refers to; images as ``namespace/name``."""

    images: frozenset[str]
    pools: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]
    groups: frozenset[str] = frozenset()
    """SecurityGroups of the machine's namespace."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The objects found by those names; what is missing from a mapping does not exist."""

    namespace: str
    """Namespace of the machine."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Its labels."""
    images: Mapping[str, ImageView] = field(default_factory=dict)
    pools: Mapping[str, PoolView] = field(default_factory=dict)
    networks: Mapping[str, NetworkView] = field(default_factory=dict)
    volumes: Mapping[str, VolumeView] = field(default_factory=dict)
    claimed: Mapping[str, AddressView] = field(default_factory=dict)
    """Allocations by name, of the addresses and hardware addresses that the spec asks for."""
    groups: frozenset[str] = frozenset()
    """SecurityGroups of the namespace that there are, of those that the spec names."""
    default_pool: str = ""
    """Empty when no pool is the default."""
    default_network: str = ""
    """Empty when no network is the default."""
    exhausted: frozenset[str] = frozenset()
    """Networks without a free address."""
    rooms: Mapping[str, Room] = field(default_factory=dict)
    """By pool that is bounded, if the machine asks for room that it does not have: what is promised there."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Volumes that another living machine uses, with its name."""


def wanted(machine: str, namespace: str, spec: VirtualMachineSpec) -> Names:
    """Collect what a spec refers to; defaults are not among it."""
    disks = spec.disks or []
    images = [disk.image for disk in disks] + [spec.kernel.image if spec.kernel else None]
    return Names(
        images=frozenset(names.qualified(image, namespace) for image in images if image),
        pools=frozenset(disk.pool for disk in disks if disk.pool),
        networks=frozenset(interface.network for interface in spec.interfaces or [] if interface.network),
        volumes=frozenset(disk.volume or names.volume(machine, disk.name) for disk in disks if disk.type != "CDROM")
        | {disk.from_.volume for disk in disks if disk.from_},
        groups=groups(spec),
    )


def union(one: Names, other: Names) -> Names:
    """Put two collections together."""
    return Names(
        images=one.images | other.images,
        pools=one.pools | other.pools,
        networks=one.networks | other.networks,
        volumes=one.volumes | other.volumes,
        groups=one.groups | other.groups,
    )


def claims(spec: VirtualMachineSpec, default_network: str) -> frozenset[str]:
    """Names of the allocations that a spec asks for by address or hardware address."""
    asked = [(interface.network or default_network, interface) for interface in spec.interfaces or []]
    addresses = {names.address(network, each.address) for network, each in asked if network and each.address}
    return frozenset(
        addresses | {names.hardware_address(network, each.mac_address) for network, each in asked if each.mac_address}
    )


def groups(spec: VirtualMachineSpec) -> frozenset[str]:
    """Names of the SecurityGroups that a spec refers to."""
    return frozenset(group for interface in spec.interfaces or [] for group in interface.security_groups or ())


class Shared(Protocol):
    """A kind of which one object may be the default."""

    @property
    def default(self) -> bool:
        """Whether it is meant for those that name none."""


class Candidate(Protocol):
    """An object of such a kind."""

    @property
    def meta(self) -> Meta:
        """Its identity and age."""

    @property
    def spec(self) -> Shared:
        """Whether it is the default."""


C = TypeVar("C", bound=Candidate)


def default(candidates: Iterable[C]) -> str:
    """Name of the oldest object that is marked as the default and not going, empty without one."""
    marked = [each.meta for each in candidates if each.spec.default and not each.meta.deleting]
    return min(((meta.created, meta.key.name) for meta in marked), default=("", ""))[1]
