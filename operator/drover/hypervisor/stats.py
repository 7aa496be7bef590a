"""Counters of running guests, all in one call; blocking, see `domain`."""

from collections.abc import Collection, Mapping

import libvirt
from drover.state.host import DiskSample, GuestSample, InterfaceSample

Numbers = Mapping[str, int | str]
GROUPS = (
    libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_BLOCK
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
)
SCOPE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
"""Active guests only, and without waiting for one that is busy."""
_NANOSECONDS = 1e9


def samples(connection: libvirt.virConnect, uuids: Collection[str]) -> tuple[GuestSample, ...]:
    """Read the counters of those of the guests that are active."""
    wanted = set(uuids)
    told = ((domain.UUIDString(), numbers) for domain, numbers in connection.getAllDomainStats(GROUPS, SCOPE))
    return tuple(sample(uuid, numbers) for uuid, numbers in told if uuid in wanted)


def sample(uuid: str, numbers: Numbers) -> GuestSample:
    """Counters of one guest from libvirt's flat list of numbers."""
    cpu = _number(numbers, "cpu.time")
    return GuestSample(
        uuid=uuid,
        cpu_seconds=None if cpu is None else cpu / _NANOSECONDS,
        memory_bytes=_kibibytes(numbers, "balloon.current"),
        resident_bytes=_kibibytes(numbers, "balloon.rss"),
        disks=tuple(_disk(numbers, index) for index in range(_count(numbers, "block"))),
        interfaces=tuple(_interface(numbers, index) for index in range(_count(numbers, "net"))),
    )


def _disk(numbers: Numbers, index: int) -> DiskSample:
    prefix = f"block.{index}"
    return DiskSample(
        device=str(numbers.get(f"{prefix}.name", "")),
        read_bytes=_number(numbers, f"{prefix}.rd.bytes"),
        write_bytes=_number(numbers, f"{prefix}.wr.bytes"),
        read_requests=_number(numbers, f"{prefix}.rd.reqs"),
        write_requests=_number(numbers, f"{prefix}.wr.reqs"),
        allocated_bytes=_number(numbers, f"{prefix}.allocation"),
    )


def _interface(numbers: Numbers, index: int) -> InterfaceSample:
    prefix = f"net.{index}"
    return InterfaceSample(
        device=str(numbers.get(f"{prefix}.name", "")),
        received_bytes=_number(numbers, f"{prefix}.rx.bytes"),
        sent_bytes=_number(numbers, f"{prefix}.tx.bytes"),
        received_packets=_number(numbers, f"{prefix}.rx.pkts"),
        sent_packets=_number(numbers, f"{prefix}.tx.pkts"),
    )


def _count(numbers: Numbers, group: str) -> int:
    return _number(numbers, f"{group}.count") or 0


def _number(numbers: Numbers, name: str) -> int | None:
    value = numbers.get(name)
    return value if isinstance(value, int) else None


def _kibibytes(numbers: Numbers, name: str) -> int | None:
    value = _number(numbers, name)
    return None if value is None else value << 10
