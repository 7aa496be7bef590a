"""What a node says of itself, and which news of it can wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drover.api.hypervisor import Capacity, HeldImage, HypervisorStatus, Orphan
from drover.api.network import NetworkNode
from drover.api.pool import PoolNode
from drover.planning import quantity
from drover.planning.conditions import Finding, stamp, summary
from drover.state.host import HostFacts, PoolFacts

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
    orphans: tuple[Orphan, ...] = ()
    images: tuple[HeldImage, ...] = ()
    pools: Mapping[str, Shared] | None = None
    networks: Mapping[str, Shared] | None = None


def describe(found: Findings, before: HypervisorStatus, *, now: str, generation: int) -> HypervisorStatus:
    """Put it into a status; what is not known now is told as it was known before."""
    host = _host(found.host) if found.host else before
    return HypervisorStatus(
        boot_id=found.boot_id,
        agent_version=found.version,
        domains=before.domains if found.domains is None else found.domains,
        orphans=list(found.orphans) or None,
        images=list(found.images) or None,
        pools=_pools(found.pools or {}, before) or None,
        networks=[_network(name, seen) for name, seen in sorted((found.networks or {}).items())] or None,
        conditions=stamp(_conditions(found), before.conditions or (), now=now, generation=generation),
        architecture=host.architecture,
        libvirt_version=host.libvirt_version,
        qemu_version=host.qemu_version,
        accelerator=host.accelerator,
        accelerator_detail=host.accelerator_detail,
        capacity=host.capacity,
    )


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
    )


def _conditions(found: Findings) -> Sequence[Finding]:
    if found.libvirt_trouble:
        libvirt = Finding("LibvirtConnected", "False", "LibvirtUnavailable", found.libvirt_trouble)
    else:
        libvirt = Finding("LibvirtConnected", "True", "Connected")
    known = Finding("HostKnown", "False" if found.host is None else "True", "NotAskedYet", "the host was not asked yet")
    return (summary((libvirt, known)), libvirt)


def _pools(pools: Mapping[str, Shared], before: HypervisorStatus) -> list[PoolNode]:
    told = {pool.name: pool for pool in before.pools or ()}
    return [_pool(name, seen, told.get(name)) for name, seen in sorted(pools.items())]


def _pool(name: str, seen: Shared, before: PoolNode | None) -> PoolNode:
    if seen.facts is None:
        return PoolNode(name=name, ready=False, message=seen.trouble[:1024])
    return PoolNode(
        name=name,
        capacity=quantity.binary(seen.facts.capacity_bytes),
        available=_available(seen.facts, before),
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
    return NetworkNode(name=name, ready=not seen.trouble, message=seen.trouble[:1024])


def _without_numbers(status: HypervisorStatus) -> HypervisorStatus:
    pools = [pool.model_copy(update={"available": None}) for pool in status.pools or ()]
    return status.model_copy(update={"domains": None, "pools": pools})
