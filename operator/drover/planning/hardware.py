"""The hardware of a machine: what it gets of what its spec says, and what its spec cannot have."""

from collections.abc import Iterator
from dataclasses import dataclass

from drover.api.hardware import DiskBounds, DiskBus, DiskHardware, DiskLimits, Machine
from drover.api.virtualmachine import Disk, VirtualMachineSpec
from drover.planning import names, quantity

MIB = 1 << 20
MEMORY = 512 * MIB
"""Memory of a machine that asks for none."""
PROCESSOR = "HostModel"


@dataclass(frozen=True, slots=True)
class EffectiveMedium:
    """A CDROM drive."""

    name: str
    image: str
    """namespace/name of the image in it, empty without one."""
    bus: DiskBus | None
    serial: str
    boot_order: int | None


def is_drive(disk: Disk) -> bool:
    """Tell whether an entry of the disks is a CDROM drive."""
    return disk.type == "CDROM"


def machine(spec: VirtualMachineSpec) -> Machine:
    """Fill in what the spec leaves open; what only a node knows stays open."""
    cpu, firmware = spec.cpu, spec.firmware
    return Machine(
        cores=(cpu and cpu.cores) or 1,
        max_cores=cpu.max_cores if cpu else None,
        cpu_model=(cpu and cpu.model) or PROCESSOR,
        architecture=spec.architecture,
        emulation=spec.emulation or "Forbidden",
        machine_type=spec.machine_type or "",
        firmware=firmware.type if firmware else None,
        secure_boot=(firmware and firmware.secure_boot) or "Disabled",
        tpm=(firmware and firmware.tpm) or "Disabled",
        watchdog=spec.watchdog,
        graphics=spec.graphics or "VNC",
        devices=spec.devices or [],
        **_memory(spec),
    )


def _memory(spec: VirtualMachineSpec) -> dict[str, object]:
    memory = spec.memory
    size = memory.size if memory and memory.size is not None else MEMORY
    return {
        "memory_bytes": quantity.whole(size),
        "max_memory_bytes": quantity.whole(memory.max_size) if memory and memory.max_size is not None else None,
        "hugepages": memory.hugepages if memory else None,
    }


def disk(asked: Disk) -> DiskHardware:
    """Say how a disk is plugged in."""
    return DiskHardware(
        bus=asked.bus or "VirtIO",
        cache=asked.cache or "Default",
        read_only=asked.read_only or "Disabled",
        ephemeral=asked.ephemeral or "Disabled",
        serial=asked.serial or "",
        boot_order=asked.boot_order,
        limits=_bounds(asked.limits or DiskLimits()),
    )


def _bounds(asked: DiskLimits) -> DiskBounds:
    plain, burst = asked.bytes_per_second, asked.burst_bytes_per_second
    return DiskBounds(
        iops=asked.iops,
        bytes_per_second=None if plain is None else quantity.whole(plain),
        burst_iops=asked.burst_iops,
        burst_bytes_per_second=None if burst is None else quantity.whole(burst),
        burst_seconds=asked.burst_seconds,
    )


def medium(asked: Disk, namespace: str) -> EffectiveMedium:
    """Say what drive an entry of the disks is, and what is in it."""
    image = names.qualified(asked.image, namespace) if asked.image else ""
    return EffectiveMedium(asked.name, image, asked.bus, asked.serial or "", asked.boot_order)


def ceiling(wanted: Machine) -> tuple[int, int]:
    """Cores and bytes that the machine may come to have while it runs: so much is booked."""
    return max(wanted.cores, wanted.max_cores or 0), max(wanted.memory_bytes, wanted.max_memory_bytes or 0)


def problems(wanted: Machine, drives: tuple[EffectiveMedium, ...]) -> Iterator[str]:
    """Find what no node could give, each as a sentence that names the field."""
    yield from _sizes(wanted)
    yield from _firmware(wanted)
    if wanted.architecture == "arm64":
        yield from _arm(wanted)
    for each in drives:
        if each.bus == "VirtIO":
            yield f"disk {each.name}: a CDROM is on bus SATA or SCSI, not VirtIO"
    family = {"q35": "amd64", "virt": "arm64"}.get(wanted.machine_type.removeprefix("pc-").partition("-")[0])
    if wanted.machine_type and family != (wanted.architecture or family):
        yield f"machineType: {wanted.machine_type} is a board of {family}, the machine is {wanted.architecture}"


def _sizes(wanted: Machine) -> Iterator[str]:
    cores, memory = ceiling(wanted)
    if cores != (wanted.max_cores or cores):
        yield f"cpu.maxCores: {wanted.max_cores} is less than the {wanted.cores} of cpu.cores"
    if memory != (wanted.max_memory_bytes or memory):
        yield f"memory.maxSize: {quantity.binary(wanted.max_memory_bytes or 0)} is less than memory.size"
    if wanted.hugepages and wanted.max_memory_bytes:
        yield "memory.maxSize: not allowed with hugepages, which stay with the guest"
    if wanted.devices and wanted.max_memory_bytes:
        yield "memory.maxSize: not allowed with devices, which reach all memory"
    if wanted.hugepages and wanted.memory_bytes % quantity.whole(wanted.hugepages):
        size = quantity.binary(wanted.memory_bytes)
        yield f"memory.size: {size} is no multiple of the hugepages of {wanted.hugepages}"


def _firmware(wanted: Machine) -> Iterator[str]:
    for switch, on in (("secureBoot", wanted.secure_boot), ("tpm", wanted.tpm)):
        if on == "Enabled" and not is_uefi(wanted):
            yield f"firmware.{switch}: Enabled needs firmware.type: UEFI"


def _arm(wanted: Machine) -> Iterator[str]:
    if wanted.firmware == "BIOS":
        yield "firmware.type: arm64 has no BIOS, only UEFI"
    if wanted.secure_boot == "Enabled":
        yield "firmware.secureBoot: not available on arm64"
    if wanted.watchdog:
        yield "watchdog: not available on arm64"


def is_uefi(wanted: Machine) -> bool:
    """Tell whether a machine has UEFI firmware, on arm64 without being told."""
    return wanted.firmware == "UEFI" or (wanted.firmware is None and wanted.architecture == "arm64")


def nodes(wanted: Machine, known: str | None = None) -> str | None:
    """Architecture that a node must have to run the machine; None: any. `known`: that of its earlier starts."""
    return None if wanted.emulation == "Allowed" else wanted.architecture or known
