"""Facts of a host and of what it holds, as the node's agent observes them."""

from dataclasses import dataclass, field
from typing import Literal

from drover.api.hardware import Architecture as PlatformName
from drover.api.hardware import Graphics, PageSize

Accelerator = Literal["KVM", "TCG"]
Architecture = Literal["x86_64", "aarch64"]
PLATFORMS: dict[Architecture, PlatformName] = {"x86_64": "amd64", "aarch64": "arm64"}
"""Kubernetes' word for each."""


Board = Literal["BIOS", "UEFI", "SecureBoot"]


@dataclass(frozen=True, slots=True)
class GuestSupport:
    """What QEMU and libvirt here can give guests of one architecture."""

    architecture: Architecture
    emulator: str
    machine: str
    """Newest versioned board of our kind."""
    machines: frozenset[str]
    """Boards of our kind."""
    firmware: frozenset[Board] = frozenset()
    tpm: bool = False
    graphics: frozenset[Graphics] = frozenset({"Headless"})
    processors: frozenset[str] = frozenset()
    """Named processors that can be given here."""

    @property
    def platform(self) -> PlatformName:
        """The architecture as Kubernetes calls it."""
        return PLATFORMS[self.architecture]


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What this host can do; the same from one boot to the next."""

    architecture: Architecture
    """libvirt's and the kernel's word; see `platform` for Kubernetes' word."""
    emulator: str
    """Path of QEMU."""
    accelerator: Accelerator
    accelerator_detail: str
    """Why it is so."""
    machine: str
    """Newest versioned machine type of our kind, such as pc-q35-7.2."""
    cores: int
    memory_bytes: int
    libvirt_version: str
    qemu_version: str
    guests: tuple[GuestSupport, ...] = ()
    """By architecture, the host's own first."""
    hugepages: frozenset[PageSize] = frozenset()
    """Sizes of huge pages that the host has some of."""

    @property
    def platform(self) -> PlatformName:
        """The architecture as Kubernetes calls it."""
        return PLATFORMS[self.architecture]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What libvirt says of the host, before anything was tried."""

    architecture: Architecture
    emulator: str
    machine: str
    kvm: bool
    """Whether libvirt advertises KVM: no proof that a guest runs with it."""
    guests: tuple[GuestSupport, ...] = ()
    """By architecture, the host's own first."""


@dataclass(frozen=True, slots=True)
class Export:
    """What a server lends to nodes, to be mounted."""

    server: str
    path: str


@dataclass(frozen=True, slots=True)
class Group:
    """A volume group of LVM that the host has."""

    name: str


@dataclass(frozen=True, slots=True)
class Target:
    """What a server offers by iSCSI, and how the node calls itself there."""

    server: str
    port: int
    name: str
    initiator: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A pool of ZFS that the host has, or a dataset of one."""

    name: str


@dataclass(frozen=True, slots=True)
class Ceph:
    """A pool of a Ceph cluster, and who the node is there."""

    monitors: tuple[str, ...]
    port: int
    pool: str
    user: str
    purpose: str
    """What libvirt's secret of the user's key is for."""


@dataclass(frozen=True, slots=True)
class CephKey:
    """What lets a user into a Ceph cluster; it is not shown where it is printed by mistake."""

    value: bytes = field(repr=False)


Lender = Export | Group | Target | Dataset | Ceph
"""What a pool is made of that is no plain directory."""


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A storage pool on this host."""

    name: str
    path: str
    capacity_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """A disk file in a pool of this host."""

    path: str
    capacity_bytes: int
    """Size the guest sees."""
    allocated_bytes: int
    """Space it takes in the pool."""


@dataclass(frozen=True, slots=True)
class Passphrase:
    """What opens an encrypted volume; it is not shown where it is printed by mistake."""

    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A virtual network on this host."""

    name: str
    bridge: str
    active: bool


@dataclass(frozen=True, slots=True)
class Reservation:
    """An address that DHCP gives to one hardware address, and the names that DNS answers for it."""

    mac: str
    ip: str
    """IPv4 address, empty without one."""
    namespace: str
    machine: str
    ipv6: str = ""
    silent: bool = False
    """Whether DHCP keeps the address to itself: the guest sets it, and only its names are answered."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """The part of an overlay that is this node's: the link to the other nodes, and the way out."""

    trunk: str
    """Name of the link."""
    bridge: str
    vni: int
    mtu: int
    local: str
    """Address of this node, where it takes packets for its guests."""
    peers: tuple[str, ...]
    """Addresses of the other nodes."""
    cidrs: tuple[str, ...]
    """Its IPv4 networks."""
    gateways: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiskSample:
    """Counters of one disk since the guest started; what libvirt did not tell is None."""

    device: str
    """vda, vdb … in the order of the record's live disks."""
    read_bytes: int | None
    write_bytes: int | None
    read_requests: int | None
    write_requests: int | None
    allocated_bytes: int | None


@dataclass(frozen=True, slots=True)
class InterfaceSample:
    """Counters of one interface since the guest started, as the guest sees the direction; None is unknown."""

    device: str
    """vnet0 …; interfaces come in the order of the record's live interfaces."""
    received_bytes: int | None
    sent_bytes: int | None
    received_packets: int | None
    sent_packets: int | None


@dataclass(frozen=True, slots=True)
class GuestSample:
    """Counters of one running guest; what libvirt did not tell is None or missing."""

    uuid: str
    cpu_seconds: float | None
    memory_bytes: int | None
    """What the balloon leaves to the guest."""
    resident_bytes: int | None
    """What QEMU takes from the host."""
    disks: tuple[DiskSample, ...]
    interfaces: tuple[InterfaceSample, ...]
