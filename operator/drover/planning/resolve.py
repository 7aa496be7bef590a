"""The effective spec: what the machine gets, every value that was left open filled in."""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Literal

from drover.api.cloudinit import SecretKey
from drover.api.domain import DomainPlugin, DomainSeed
from drover.api.hardware import DiskHardware, Machine
from drover.api.interface import AddressMode, Interface, InterfaceModel, LinkState
from drover.api.network import LAYER_MTU
from drover.api.probe import ReadinessProbe
from drover.api.resolved import ResolvedDisk, ResolvedInterface, ResolvedMachine, RestartPolicy
from drover.api.virtualmachine import Disk, EvictionPolicy, VirtualMachineSpec
from drover.planning import hardware, names, netconfig, quantity, seed
from drover.planning.catalog import Catalog
from drover.planning.hardware import EffectiveMedium
from drover.planning.inheritance import Inheritance
from drover.planning.merge import gaps
from drover.planning.view import NetworkView
from drover.state.devices import turns

MIB = 1 << 20
GRACE_SECONDS = 60
OVERHEAD = 64 * MIB
OVERHEAD_SHARE = 64
"""One part in so many of the guest's memory goes to page tables and buffers."""
OVERHEAD_PER_CORE = 8 * MIB
OVERHEAD_EMULATED = 128 * MIB
"""Translated code of a guest that is emulated."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator of the cluster decided for all machines."""

    anchor_image: str
    cpu_per_core: float = 0.1
    """CPUs booked for a core unless the machine says otherwise."""
    emulated: bool = False
    """Whether some node has no hardware virtualisation: where a machine will run is not known when it is booked."""


@dataclass(frozen=True, slots=True)
class EffectiveDisk:
    """One disk and the volume behind it."""

    name: str
    volume: str
    """Name of the StorageVolume."""
    own: bool
    """Whether the machine makes the volume; else it takes an existing one."""
    pool: str
    """Pool of the volume, empty when there is none."""
    image: str
    """namespace/name of the image it starts from, empty without one."""
    clone: str
    """Name of the volume it starts as a copy of, empty without one."""
    size: int | None
    retain: bool
    """Whether the volume outlives the machine."""
    hardware: DiskHardware
    """How it is plugged in."""
    key: SecretKey | None = None
    """Where its passphrase is kept."""
    wanted_key: SecretKey | None = None
    """The same as the machine itself says; a volume that is there already may differ."""


@dataclass(frozen=True, slots=True)
class EffectiveInterface:
    """One interface; empty texts where the machine leaves the choice to us."""

    name: str
    network: str
    address: str
    mac: str
    families: tuple[Literal[4, 6], ...] = (4,)
    """Of the addresses that are reserved for it."""
    mode: AddressMode = "DHCP"
    model: InterfaceModel = "VirtIO"
    link: LinkState = "Up"
    mtu: int | None = None
    """Largest packet, where the network bounds it."""
    bytes_per_second: int | None = None
    """Most that passes in each direction."""
    groups: tuple[str, ...] = ()
    """SecurityGroups of the machine's namespace."""


@dataclass(frozen=True, slots=True)
class Effective:
    """The machine as it would start now."""

    machine: Machine
    cpu_milli: int
    """Thousandths of a CPU to book."""
    booked: int
    """Bytes to book, huge pages not counted."""
    restart_policy: RestartPolicy
    eviction: EvictionPolicy
    grace: int
    disks: tuple[EffectiveDisk, ...]
    media: tuple[EffectiveMedium, ...]
    interfaces: tuple[EffectiveInterface, ...]
    kernel_image: str
    """namespace/name of the image whose kernel boots, empty for the boot loader of the first disk."""
    kernel_arguments: str | None
    probe: ReadinessProbe | None
    plugin: DomainPlugin | None = None
    """Revision that it is made of."""
    seed: DomainSeed | None = None
    """What its guest is told at its first boot."""
    gaps: tuple[str, ...] = ()
    """What neither machine nor plugin gives although it must be there."""

    @property
    def cores(self) -> int:
        """Virtual cores."""
        return self.machine.cores

    @property
    def memory(self) -> int:
        """Bytes the guest sees."""
        return self.machine.memory_bytes


def resolve(
    name: str, spec: VirtualMachineSpec, catalog: Catalog, policy: Policy, inherited: Inheritance | None = None
) -> Effective:
    """Fill in what the spec, laid over its plugin's, leaves open.

    What cannot be filled in stays empty and is for `references` to tell.
    """
    machine = hardware.machine(spec)
    cores, memory = hardware.ceiling(machine)
    asked = spec.cpu.request if spec.cpu else None
    disks = tuple(_disk(name, disk, catalog) for disk in spec.disks or [] if not hardware.is_drive(disk))
    media = tuple(hardware.medium(disk, catalog.namespace) for disk in spec.disks or [] if hardware.is_drive(disk))
    beside = overhead(cores, memory, emulated=policy.emulated or machine.emulation == "Allowed")
    kernel_image = _kernel_image(spec, disks, media, catalog)
    return Effective(
        machine=_of_its_images(machine, (kernel_image, *(disk.image for disk in disks)), catalog),
        cpu_milli=quantity.milli(asked) if asked is not None else max(1, round(cores * policy.cpu_per_core * 1000)),
        booked=beside if machine.hugepages else memory + beside,
        restart_policy=spec.restart_policy or "Always",
        eviction=spec.eviction_policy or "Stop",
        grace=GRACE_SECONDS if spec.termination_grace_period_seconds is None else spec.termination_grace_period_seconds,
        disks=disks,
        media=media,
        interfaces=tuple(_interface(interface, catalog) for interface in interfaces(spec)),
        kernel_image=kernel_image,
        kernel_arguments=spec.kernel.arguments if spec.kernel else None,
        probe=spec.readiness_probe,
        plugin=inherited.pin if inherited else None,
        seed=seed.seed(name, spec.cloud_init, inherited.workload if inherited else None),
        gaps=tuple(gaps(spec)) if inherited else (),
    )


def _of_its_images(machine: Machine, images: Iterable[str], catalog: Catalog) -> Machine:
    """Take the architecture of the first image that has one, unless the machine says its own."""
    found = (catalog.images[image].spec.architecture for image in images if image in catalog.images)
    theirs = next((each for each in found if each), None)
    return machine.model_copy(update={"architecture": theirs}) if theirs and not machine.architecture else machine


def overhead(cores: int, memory: int, *, emulated: bool) -> int:
    """Bytes that QEMU needs beside the guest's memory."""
    return OVERHEAD + memory // OVERHEAD_SHARE + OVERHEAD_PER_CORE * cores + OVERHEAD_EMULATED * emulated


def interfaces(spec: VirtualMachineSpec) -> list[Interface]:
    """List the interfaces: one on the default network when the spec lists none at all."""
    return [Interface(name=names.DEFAULT_INTERFACE)] if spec.interfaces is None else spec.interfaces


def home(spec: VirtualMachineSpec, default: str, plugs: Iterable[tuple[str, str]], networks: Container[str]) -> str:
    """Network of the interfaces that name none: where they are, for the machine's life; else the default.

    `plugs`: interfaces that have addresses, or are in a Domain, with their networks.
    """
    open_ = {each.name for each in interfaces(spec) if not each.network}
    found = {network for name, network in plugs if name in open_ and network in networks}
    return default if default in found or not found else min(found)


def shown(effective: Effective) -> ResolvedMachine:
    """Word the effective spec for the status."""
    return ResolvedMachine(
        cores=effective.cores,
        memory=quantity.binary(effective.memory),
        cpu_request=f"{effective.cpu_milli}m",
        memory_request=quantity.binary(effective.booked + (effective.memory if effective.machine.hugepages else 0)),
        architecture=effective.machine.architecture,
        cpu_model=effective.machine.cpu_model,
        firmware="UEFI" if hardware.is_uefi(effective.machine) else "BIOS",
        restart_policy=effective.restart_policy,
        termination_grace_period_seconds=effective.grace,
        pools={disk.name: disk.pool for disk in effective.disks if disk.pool} or None,
        networks={each.name: each.network for each in effective.interfaces if each.network} or None,
        plugin=effective.plugin.name if effective.plugin else None,
        plugin_revision=effective.plugin.revision if effective.plugin else None,
        kernel_image=effective.kernel_image or None,
        kernel_arguments=effective.kernel_arguments,
        disks=[_shown_disk(disk) for disk in effective.disks] or None,
        interfaces=[ResolvedInterface(name=each.name, network=each.network or None) for each in effective.interfaces]
        or None,
        readiness_probe=effective.probe,
        seed=seed.shown(effective.seed, generated=netconfig.needed([each.mode for each in effective.interfaces])),
    )


def _shown_disk(disk: EffectiveDisk) -> ResolvedDisk:
    return ResolvedDisk(
        name=disk.name,
        volume=disk.volume,
        pool=disk.pool or None,
        image=disk.image or None,
        size=None if disk.size is None else quantity.binary(disk.size),
        encryption=f"Secret {disk.key.name}/{disk.key.key}"[:256] if disk.key else None,
        reclaim_policy="Retain" if disk.retain else "Delete",
    )


def _disk(machine: str, disk: Disk, catalog: Catalog) -> EffectiveDisk:
    name = disk.volume or names.volume(machine, disk.name)
    volume = catalog.volumes.get(name)
    source = volume.spec.source if volume else None
    pool = (volume.status.pool or volume.spec.pool) if volume else disk.pool
    image = (source.image if source else None) if volume else disk.image
    clone = (source.volume if source else None) if volume else (disk.from_.volume if disk.from_ else None)
    wanted = disk.encryption.key_secret_ref if disk.encryption else None
    encryption = volume.spec.encryption if volume else disk.encryption
    sizes = [quantity.whole(size) for size in (disk.size, volume.spec.size if volume else None) if size is not None]
    return EffectiveDisk(
        name=disk.name,
        volume=name,
        own=disk.volume is None,
        pool=pool or catalog.default_pool,
        image=names.qualified(image, catalog.namespace) if image else "",
        clone=clone or "",
        size=max(sizes, default=None),
        retain=disk.reclaim_policy == "Retain",
        hardware=hardware.disk(disk),
        key=encryption.key_secret_ref if encryption else None,
        wanted_key=wanted,
    )


def _interface(interface: Interface, catalog: Catalog) -> EffectiveInterface:
    network = interface.network or catalog.default_network
    limit = interface.limits.bytes_per_second if interface.limits else None
    mode = interface.address_mode or "DHCP"
    return EffectiveInterface(
        name=interface.name,
        network=network,
        address=interface.address or "",
        mac=interface.mac_address or "",
        families=() if mode == "Unmanaged" else _families(catalog.networks.get(network)),
        mode=mode,
        model=interface.model or "VirtIO",
        link=interface.link or "Up",
        mtu=_mtu(catalog.networks.get(network)),
        bytes_per_second=None if limit is None else quantity.whole(limit),
        groups=tuple(sorted(interface.security_groups or ())),
    )


def _mtu(network: NetworkView | None) -> int | None:
    """Room that an overlay leaves in a packet; only an overlay needs any."""
    overlay = network.spec.overlay if network else None
    return (overlay.mtu or LAYER_MTU) if overlay else None


def _families(network: NetworkView | None) -> tuple[Literal[4, 6], ...]:
    """Families of a network's subnets; of one that is not known yet, the usual one."""
    cidrs = [subnet.cidr for subnet in network.spec.subnets or ()] if network else ["."]
    four: tuple[Literal[4], ...] = (4,) if any("." in cidr for cidr in cidrs) else ()
    six: tuple[Literal[6], ...] = (6,) if any(":" in cidr for cidr in cidrs) else ()
    return (*four, *six)


def _kernel_image(
    spec: VirtualMachineSpec, disks: tuple[EffectiveDisk, ...], media: tuple[EffectiveMedium, ...], catalog: Catalog
) -> str:
    if spec.kernel and spec.kernel.image:
        return names.qualified(spec.kernel.image, catalog.namespace)
    orders = [*(disk.hardware.boot_order for disk in disks), *(medium.boot_order for medium in media)]
    first = turns(orders).index(1) if orders else 0
    image = disks[first].image if first < len(disks) else ""
    boot = catalog.images.get(image) if image else None
    return image if boot and boot.spec.kernel else ""
