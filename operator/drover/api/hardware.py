"""What a machine's hardware is made of: the words for it, in a VirtualMachine and, resolved, in a Domain."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import Model, Quantity, Word, between, keyed, rule, rules, told
from drover.api.hostdevice import MOST, Device

Architecture = Literal["amd64", "arm64"]
Emulation = Literal["Allowed", "Forbidden"]
FirmwareType = Literal["BIOS", "UEFI"]
Switch = Literal["Enabled", "Disabled"]
Watchdog = Literal["Reset", "PowerOff", "Pause"]
Graphics = Literal["VNC", "SPICE", "Headless"]
DiskType = Literal["Disk", "CDROM"]
DiskBus = Literal["VirtIO", "SCSI", "SATA"]
DiskCache = Literal["Default", "WriteBack", "WriteThrough", "Unsafe"]
PageSize = Literal["2Mi", "1Gi"]

PROCESSOR = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
MACHINE = r"^(q35|virt|pc-q35-[0-9]+[.][0-9]+|virt-[0-9]+[.][0-9]+)$"
SERIAL = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,19}$"
ARGUMENTS = r"^[ -~]*$"
ProcessorModel = Annotated[
    str,
    Field(
        max_length=64,
        pattern=PROCESSOR,
        json_schema_extra=told(PROCESSOR, "HostModel, HostPassthrough, Maximum or a name that QEMU knows"),
    ),
]
MachineType = Annotated[
    str,
    Field(
        max_length=32,
        pattern=MACHINE,
        json_schema_extra=told(MACHINE, "q35 or virt, or one version of them such as pc-q35-7.2"),
    ),
]
BootOrder = Annotated[int, Field(ge=1, le=16)]
Serial = Annotated[
    str,
    Field(
        max_length=20,
        pattern=SERIAL,
        json_schema_extra=told(SERIAL, "1 to 20 letters, digits and . _ + -, a letter or digit first"),
    ),
]
KernelArguments = Annotated[
    str,
    Field(
        max_length=2048,
        json_schema_extra=rules(
            # Not dynamic: a message that quotes a line end is not shown.
            rule(f"self.matches('{ARGUMENTS}')", "must be one line of printable ASCII characters, without a line end")
        ),
    ),
]
"""A kernel command line; libvirt takes no control characters. Earlier releases took them, so they can be read."""


def _number(text: str) -> str:
    """CEL: a field that is an int or a text, as a quantity."""
    return f"quantity(string({text}))"


def _sound(*fields: str) -> str:
    """CEL: the fields are there and hold quantities."""
    return " && ".join(f"has({each}) && isQuantity(string({each}))" for each in fields)


class CPU(Model):
    """Processors of the machine."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.maxCores) || !has(self.cores) || self.maxCores >= self.cores",
                "cpu.maxCores must be at least cpu.cores",
                path=".maxCores",
            )
        )
    )

    cores: Annotated[int, Field(ge=1, le=256)] | None = None
    """Number of virtual cores; default 1. More of them, up to maxCores, is live; less applies at the next start."""
    max_cores: Annotated[int, Field(ge=1, le=256)] | None = None
    """Cores that the machine can be given while it runs; default as many as it has. A change applies at the next start."""
    request: Annotated[Quantity, Field(json_schema_extra=between("cpu.request", "1m", "256"))] | None = None
    """CPU the scheduler books for the machine, such as 200m; default a tenth of a core for each of maxCores. Applies at the next start."""
    model: ProcessorModel | None = None
    """What the guest sees: HostModel (default: like the host's; emulated, all that QEMU can, on arm64 a Cortex-A57), HostPassthrough (the host's own; needs KVM), Maximum, or a name that QEMU knows such as Skylake-Server. A change applies at the next start."""


class Memory(Model):
    """Memory of the machine."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!({_sound('self.size', 'self.maxSize')}) || "
                f"{_number('self.maxSize')}.compareTo({_number('self.size')}) >= 0",
                "memory.maxSize must be at least memory.size",
                path=".maxSize",
            ),
            rule(
                "!has(self.hugepages) || !has(self.maxSize)",
                "memory.maxSize is not allowed with hugepages: they stay with the guest",
                path=".maxSize",
            ),
        )
    )

    size: Annotated[Quantity, Field(json_schema_extra=between("memory.size", "16Mi", "16Ti"))] | None = None
    """Memory the guest sees, such as 2Gi; booked in full plus overhead; default 512Mi. Less of it, and more up to maxSize, is live if the guest has a balloon driver; else it applies at the next start."""
    max_size: Annotated[Quantity, Field(json_schema_extra=between("memory.maxSize", "16Mi", "16Ti"))] | None = None
    """Memory that the machine can be given while it runs, such as 4Gi, booked in place of size; default size. A change applies at the next start."""
    hugepages: PageSize | None = None
    """Take the memory from huge pages of this size, 2Mi or 1Gi, which the node must have; size must be a multiple of it. Absent: ordinary pages. A change applies at the next start."""


class Firmware(Model):
    """What starts the boot loader."""

    type: FirmwareType | None = None
    """BIOS (default on amd64) or UEFI (default, and the only one, on arm64), whose variables begin anew on another node. A change applies at the next start."""
    secure_boot: Switch | None = None
    """Enabled lets only signed boot loaders start; needs type UEFI; default Disabled. A change applies at the next start."""
    tpm: Switch | None = None
    """Enabled gives the machine a TPM 2.0, needs type UEFI; default Disabled. From its first start on the machine stays on its node, as with a disk there, until it is deleted; Disabled lets go of node and content at the next start."""


_MORE_BYTES = f"{_number('self.burstBytesPerSecond')}.compareTo({_number('self.bytesPerSecond')}) > 0"
_BURST = (
    ("burstIops", "iops", "self.burstIops > self.iops"),
    (
        "burstBytesPerSecond",
        "bytesPerSecond",
        f"{_sound('self.burstBytesPerSecond', 'self.bytesPerSecond')} && {_MORE_BYTES}",
    ),
)


class DiskLimits(Model):
    """Bounds of a disk's traffic, reads and writes together."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(
                rule(
                    f"!has(self.{burst}) || (has(self.{plain}) && {more})",
                    f"limits.{burst} must be more than limits.{plain}, which it needs",
                    path=f".{burst}",
                )
                for burst, plain, more in _BURST
            ),
            rule(
                "!has(self.burstSeconds) || has(self.burstIops) || has(self.burstBytesPerSecond)",
                "limits.burstSeconds needs limits.burstIops or limits.burstBytesPerSecond",
                path=".burstSeconds",
            ),
        )
    )

    iops: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Requests a second; absent: without bound."""
    bytes_per_second: (
        Annotated[Quantity, Field(json_schema_extra=between("limits.bytesPerSecond", "4Ki", "1Ti"))] | None
    ) = None
    """Bytes a second, such as 50M; absent: without bound."""
    burst_iops: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Requests a second for a while, after a quiet time; more than iops; absent: no bursts."""
    burst_bytes_per_second: (
        Annotated[Quantity, Field(json_schema_extra=between("limits.burstBytesPerSecond", "4Ki", "1Ti"))] | None
    ) = None
    """Bytes a second for a while, after a quiet time, such as 100M; more than bytesPerSecond; absent: no bursts."""
    burst_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    """Seconds that a burst lasts; default 1."""


class DiskBounds(Model):
    """Bounds of a disk's traffic as numbers; absent: none."""

    iops: int | None = None
    """Requests a second."""
    bytes_per_second: int | None = None
    """Bytes a second."""
    burst_iops: int | None = None
    """Requests a second in a burst."""
    burst_bytes_per_second: int | None = None
    """Bytes a second in a burst."""
    burst_seconds: int | None = None
    """How long a burst lasts."""


class DiskHardware(Model):
    """How a disk is plugged in."""

    bus: DiskBus = "VirtIO"
    """Bus it is on."""
    cache: DiskCache = "Default"
    """How the node caches it."""
    read_only: Switch = "Disabled"
    """Whether the guest can only read it."""
    ephemeral: Switch = "Disabled"
    """Whether what the guest wrote is dropped when it stops."""
    serial: Annotated[str, Field(max_length=64)] = ""
    """Serial number; empty: the disk's name."""
    boot_order: int | None = None
    """Its turn when a boot loader is looked for; absent: after those that have one, in the order of the list."""
    limits: DiskBounds = Field(default_factory=DiskBounds)
    """Bounds of its traffic."""


class Machine(Model):
    """The hardware."""

    cores: int
    """Virtual cores."""
    max_cores: int | None = None
    """Cores that it can be given while it runs; absent: no more than it has."""
    memory_bytes: int
    """Memory the guest sees."""
    max_memory_bytes: int | None = None
    """Memory that it can be given while it runs; absent: no more than it has."""
    hugepages: PageSize | None = None
    """Size of the pages that its memory is made of; absent: ordinary ones."""
    cpu_model: Word = "HostModel"
    """What the guest sees: HostModel, HostPassthrough, Maximum or a name that QEMU knows."""
    architecture: Architecture | None = None
    """Of the machine; absent: the node's."""
    emulation: Emulation = "Forbidden"
    """Whether it may be of another architecture than the node."""
    machine_type: Word = ""
    """Board, one version or a family whose newest is taken; empty: the newest of the host."""
    firmware: FirmwareType | None = None
    """What starts the boot loader; absent: what is usual for the architecture."""
    secure_boot: Switch = "Disabled"
    """Whether only signed boot loaders start."""
    tpm: Switch = "Disabled"
    """Whether it has a TPM."""
    watchdog: Watchdog | None = None
    """What happens when the guest stops feeding its watchdog; absent: it has none."""
    graphics: Graphics = "VNC"
    """How its screen is shown; Headless: it has none."""
    devices: Annotated[list[Device], Field(max_length=MOST, json_schema_extra=keyed("name"))] = []
    """Devices of the node that it has for itself; which ones is decided there at each start."""
