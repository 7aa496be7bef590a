"""What a node says of itself, and which news of it can wait."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from drover.api.hostdevice import DeviceNode
from drover.api.hypervisor import Capacity, GuestKind, HeldImage, HypervisorStatus, Orphan
from drover.api.network import NetworkNode
from drover.api.pool import PoolNode
from drover.planning import hostdevice, libvirt_trouble, quantity
from drover.planning.conditions import Finding, stamp, summary
from drover.planning.hostdevice import Unit
from drover.planning.skew import API_LEVEL
from drover.state.host import GuestSupport, HostFacts, PoolFacts

T = TypeVar("T")
IMAGES, FAILING = 500, 50
"""Files of images that are told of, and how many of them that cannot be fetched."""
SHARED = 64
"""Pools and networks that are told of."""
STEP = 1 << 30
"""Free space is told in whole steps of so many bytes …"""
PART = 100
"""… or of this part of the pool, whichever is more: it never stands still."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A pool or a network as it was last looked at."""

    trouble: str = ""
    """Why it cannot be used."""
    facts: PoolFacts | None = None
    """Of a pool."""
    address: str = ""
    """Of an overlay: where this node takes its packets."""


SharedThings = Mapping[str, Shared | None]
"""By name what was looked at since the agent was started; None: there is no such thing on this node."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything the agent knows of its node."""

    boot_id: str
    version: str
    libvirt_trouble: str
    """Empty while libvirtd answers."""
    host: HostFacts | None = None
    """None until the host could be asked."""
    domains: int | None = None
    orphans: tuple[Orphan, ...] | None = None
    """None until libvirt and the API server could be compared."""
    images: tuple[HeldImage, ...] = ()
    pools: SharedThings = field(default_factory=dict)
    networks: SharedThings = field(default_factory=dict)
    devices: tuple[Unit, ...] | None = ()
    """What an administrator offers; None when it could not be looked at."""


def describe(found: Findings, before: HypervisorStatus, *, now: str, generation: int) -> HypervisorStatus:
    """Put it into a status; what is not known now is told as it was known before."""
    host = _host(found.host) if found.host else before
    # What was said before the agent was started anew holds, in the same boot, until it is looked at.
    known = before if before.boot_id == found.boot_id else HypervisorStatus()
    orphans = known.orphans if found.orphans is None else list(found.orphans)
    devices = known.devices if found.devices is None else hostdevice.shown(found.devices)
    return HypervisorStatus(
        boot_id=found.boot_id,
        agent_version=found.version,
        api_level=API_LEVEL,
        domains=before.domains if found.domains is None else found.domains,
        orphans=orphans or None,
        images=list(found.images) or None,
        pools=_pools(found.pools, known.pools or []) or None,
        networks=_networks(found.networks, known.networks or []) or None,
        devices=devices or None,
        conditions=stamp(_conditions(found, devices or ()), before.conditions or (), now=now, generation=generation),
        architecture=host.architecture,
        libvirt_version=host.libvirt_version,
        qemu_version=host.qemu_version,
        accelerator=host.accelerator,
        accelerator_detail=host.accelerator_detail,
        capacity=host.capacity,
        guests=host.guests,
        hugepages=host.hugepages,
    )


def pick_images(files: Iterable[HeldImage]) -> tuple[HeldImage, ...]:
    """Choose those that are told of, by URL and image, the failing ones first."""
    every = sorted(files, key=lambda each: (each.url, each.image))
    failing = [each for each in every if each.reason][:FAILING]
    whole = [each for each in every if not each.reason][: IMAGES - len(failing)]
    return tuple(sorted((*failing, *whole), key=lambda each: (each.url, each.image)))


def can_wait(status: HypervisorStatus, before: HypervisorStatus) -> bool:
    """Whether the two differ only in numbers that change with every guest."""
    return _without_numbers(status) == _without_numbers(before)


def _host(host: HostFacts) -> HypervisorStatus:
    return HypervisorStatus(
        architecture=host.platform,
        libvirt_version=host.libvirt_version,
        qemu_version=host.qemu_version,
        accelerator=host.accelerator,
        accelerator_detail=host.accelerator_detail,
        capacity=Capacity(cores=host.cores, memory_bytes=host.memory_bytes),
        guests=[_guest(each) for each in host.guests] or None,
        hugepages=sorted(host.hugepages) or None,
    )


def _guest(found: GuestSupport) -> GuestKind:
    screens = found.graphics - {"Headless"}
    features = [*sorted(found.firmware), *(["TPM"] if found.tpm else []), *sorted(screens)]
    return GuestKind(architecture=found.platform, machine_type=found.machine, features=features)


def _conditions(found: Findings, devices: Sequence[DeviceNode]) -> Sequence[Finding]:
    if found.libvirt_trouble:
        reason, words = libvirt_trouble.reason(found.libvirt_trouble), libvirt_trouble.explain(found.libvirt_trouble)
        libvirt = Finding("LibvirtConnected", "False", reason, words)
    else:
        libvirt = Finding("LibvirtConnected", "True", "Connected")
    known = Finding("HostKnown", "False" if found.host is None else "True", "NotAskedYet", "the host was not asked yet")
    return (summary((libvirt, known)), libvirt, *hostdevice.usable(devices))


def _pools(pools: SharedThings, before: Sequence[PoolNode]) -> list[PoolNode]:
    told = {pool.name: pool for pool in before}
    seen = {name: _pool(name, found, told.get(name)) for name, found in pools.items() if found}
    return _merged(told, seen, pools)


def _networks(networks: SharedThings, before: Sequence[NetworkNode]) -> list[NetworkNode]:
    told = {network.name: network for network in before}
    return _merged(told, {name: _network(name, found) for name, found in networks.items() if found}, networks)


def _merged(told: Mapping[str, T], seen: Mapping[str, T], looked_at: Iterable[str]) -> list[T]:
    """Tell what was seen, and of what was not looked at yet what was told before."""
    left = {name: thing for name, thing in told.items() if name not in set(looked_at)}
    return [thing for _, thing in sorted({**left, **seen}.items())][:SHARED]


def _pool(name: str, seen: Shared, before: PoolNode | None) -> PoolNode:
    if seen.facts is None:
        return PoolNode(name=name, ready=False, message=seen.trouble[:1024])
    available = _available(seen.facts, before)
    return PoolNode(
        name=name,
        capacity=quantity.binary(seen.facts.capacity_bytes),
        allocated=quantity.binary(max(0, seen.facts.capacity_bytes - quantity.whole(available)) >> 20 << 20),
        available=available,
        ready=not seen.trouble,
        message=seen.trouble[:1024],
    )


def _available(facts: PoolFacts, before: PoolNode | None) -> str:
    """Free space in steps; the step told before stays until it is off by more than a whole one."""
    step = max(STEP, facts.capacity_bytes // PART >> 30 << 30) if facts.capacity_bytes > STEP else 1 << 20
    if before is not None and before.available is not None:
        told = quantity.whole(before.available)
        if abs(told - facts.available_bytes) <= 2 * step and (told > 0) == (facts.available_bytes >= step):
            return before.available
    return quantity.binary(facts.available_bytes // step * step)


def _network(name: str, seen: Shared) -> NetworkNode:
    return NetworkNode(name=name, ready=not seen.trouble, message=seen.trouble[:1024], address=seen.address or None)


def _without_numbers(status: HypervisorStatus) -> HypervisorStatus:
    pools = [pool.model_copy(update={"available": None, "allocated": None}) for pool in status.pools or ()]
    return status.model_copy(update={"domains": None, "pools": pools})
