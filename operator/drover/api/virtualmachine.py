"""VirtualMachine: the user's machine.

The spec has no defaults and nothing required, except list keys and `powerState`: the API server would store a default,
and then no other source of that value could ever win. `planning.resolve` holds the effective defaults.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import (
    Conditions,
    Model,
    NodeLabels,
    ObjectName,
    Prose,
    Quantity,
    Reference,
    ShortName,
    Time,
    Word,
    between,
    distinct,
    grows,
    keyed,
    rule,
    rules,
    same,
)
from drover.api.cloudinit import CloudInit
from drover.api.hardware import (
    CPU,
    Architecture,
    BootOrder,
    DiskBus,
    DiskCache,
    DiskLimits,
    DiskType,
    Emulation,
    Firmware,
    Graphics,
    KernelArguments,
    MachineType,
    Memory,
    Serial,
    Switch,
    Watchdog,
)
from drover.api.hostdevice import MOST, Device
from drover.api.interface import Interface
from drover.api.probe import ReadinessProbe, asks_somebody
from drover.api.resolved import ReclaimPolicy, ResolvedMachine, RestartPolicy
from drover.api.scheduling import AffinityData, SpreadData, TolerationData
from drover.api.volume import FROM_RULES, DiskSource, Encryption

PowerState = Literal["Running", "Paused", "Hibernated", "Stopped"]
EvictionPolicy = Literal["Stop", "Block"]
DeletionProtection = Literal["Disabled", "Enabled"]


class KernelBoot(Model):
    """Direct boot: QEMU loads the kernel itself, no boot loader is involved."""

    image: Reference | None = None
    """VirtualMachineImage that holds the kernel, of type Kernel or with a kernel of its own; default the boot disk's image's kernel. A change applies at the next start."""
    arguments: KernelArguments | None = None
    """Kernel command line; default the image's. A change applies at the next start."""


IS_CDROM = "has(self.type) && self.type == 'CDROM'"


def _kept(name: str, *, unless: str = "false") -> dict[str, str]:
    """CEL: a field of a disk entry stays as it was added."""
    was, now = (f"(has({which}.{name}) ? {which}.{name} : 'none')" for which in ("oldSelf", "self"))
    return rule(
        f"({unless}) || ({same(name)})" if unless != "false" else same(name),
        f"'disk ' + self.name + ': {name} is immutable: ' + {was} + ', not ' + {now}"
        " + '; remove the entry and add one of another name'",
        dynamic=True,
        path=f".{name}",
    )


OF_A_DISK = (
    "size",
    "pool",
    "volume",
    "from",
    "reclaimPolicy",
    "cache",
    "readOnly",
    "ephemeral",
    "limits",
    "encryption",
)
"""Fields that say nothing of a CDROM drive."""


class Disk(Model):
    """One disk: a new volume (blank, or made from an image or another volume), or an existing one; or a CDROM drive."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.volume) || !(has(self.image) || has(self.size) || has(self.pool) || has(self.from) || has(self.reclaimPolicy))",
                "'disk ' + self.name + ': volume takes an existing disk as it is; image, from, size, pool and reclaimPolicy are not allowed beside it'",
                dynamic=True,
            ),
            *FROM_RULES,
            rule(
                f"!({IS_CDROM}) || !({' || '.join(f'has(self.{each})' for each in OF_A_DISK)})",
                f"'disk ' + self.name + ': {', '.join(OF_A_DISK)} are not allowed with type CDROM'",
                dynamic=True,
            ),
            rule(
                f"!({IS_CDROM}) || !has(self.bus) || self.bus != 'VirtIO'",
                "'disk ' + self.name + ': a CDROM is on bus SATA or SCSI, not VirtIO'",
                dynamic=True,
                path=".bus",
            ),
            rule(
                "!has(self.ephemeral) || self.ephemeral == 'Disabled' || !(has(self.volume) || has(self.from) || has(self.reclaimPolicy))",
                "'disk ' + self.name + ': volume, from and reclaimPolicy are not allowed with ephemeral: nothing of it is kept'",
                dynamic=True,
                path=".ephemeral",
            ),
            rule(
                "!has(self.encryption) || !(has(self.volume) || has(self.from))",
                "'disk ' + self.name + ': encryption goes with a volume that the entry makes, blank or from an image; not with volume or from'",
                dynamic=True,
                path=".encryption",
            ),
            rule(
                same("encryption"),
                "'disk ' + self.name + ': encryption is immutable; remove the entry and add one of another name'",
                dynamic=True,
                path=".encryption",
            ),
            _kept("type"),
            _kept("image", unless=IS_CDROM),
            _kept("pool"),
            grows("'disk ' + self.name + ': '"),
        )
    )

    name: ShortName
    """Name of the disk within the machine, a DNS label of at most 20 characters; its volume is called <machine>.<name>."""
    type: DiskType | None = None
    """Disk (default) or CDROM: a drive for an image, which is only read. Immutable."""
    image: Reference | None = None
    """VirtualMachineImage the disk starts from, by copy on write; absent: blank. Immutable. Of a CDROM: the image in the drive; a change is live, and without it the drive is empty."""
    from_: Annotated[DiskSource | None, Field(alias="from")] = None
    """Existing volume that the disk starts as a copy of. Immutable."""
    size: Annotated[Quantity, Field(json_schema_extra=between("size", "1Mi", "64Ti"))] | None = None
    """Capacity such as 10Gi; default that of the image or volume it starts from. Only grows. Live."""
    pool: ObjectName | None = None
    """StoragePool the volume is made in; default the pool marked as default. Immutable."""
    volume: ObjectName | None = None
    """Name of an existing StorageVolume of this namespace, which is there before and after the machine; excludes the other fields that say what the volume is. Absent: the entry has a volume of its own."""
    reclaim_policy: ReclaimPolicy | None = None
    """What becomes of the volume when the machine is deleted: Delete (default) or Retain. Live."""
    encryption: Encryption | None = None
    """Encrypts the volume that the entry makes; default not. Immutable."""
    bus: DiskBus | None = None
    """Bus it is on: VirtIO (default), SCSI, or SATA for guests without VirtIO drivers. A CDROM is on SATA (default) or SCSI. A change applies at the next start."""
    cache: DiskCache | None = None
    """How the node caches it: Default (QEMU's choice), WriteBack, WriteThrough (slower, nothing is lost with the node), Unsafe (fast, for data that can be made anew). A change applies at the next start."""
    read_only: Switch | None = None
    """Enabled lets the guest only read it; default Disabled. A change applies at the next start."""
    ephemeral: Switch | None = None
    """Enabled drops what the guest wrote when it stops, so that every start finds the disk new; default Disabled. A change applies at the next start."""
    serial: Serial | None = None
    """Serial number the guest sees, of at most 20 characters; default the name. A change applies at the next start."""
    boot_order: BootOrder | None = None
    """Its turn when a boot loader is looked for; those where it is absent follow in the order of the list. A change applies at the next start."""
    limits: DiskLimits | None = None
    """Bounds of its traffic. Live."""


_SOURCED = (
    "has(disk.volume) || has(disk.image) || has(disk.from) || has(disk.size) || "
    "(has(disk.type) && disk.type == 'CDROM')"
)


HAS_DEVICES = "has(self.devices) && self.devices.size() > 0"


class VirtualMachineSpec(Model):
    """What the machine should be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"has(self.plugin) || !has(self.disks) || self.disks.all(disk, {_SOURCED})",
                # The last filter tells the cost estimator that it is a short text.
                f"'one of image, from, size or volume is required of disk ' + self.disks.filter(disk, !({_SOURCED})).map(disk, disk.name).filter(name, name.size() > 0)[0]",
                dynamic=True,
                path=".disks",
            ),
            asks_somebody("has(self.plugin)"),
            distinct("disks", "volume"),
            rule(
                "!has(self.disks) || self.disks.filter(disk, has(disk.bootOrder)).all(disk, "
                "self.disks.exists_one(other, has(other.bootOrder) && other.bootOrder == disk.bootOrder))",
                "disks: two entries have the same bootOrder",
                path=".disks",
            ),
            rule(
                "has(self.plugin) || !has(self.firmware) || (has(self.firmware.type) && self.firmware.type == 'UEFI') || "
                "!(has(self.firmware.secureBoot) && self.firmware.secureBoot == 'Enabled')",
                "firmware.secureBoot: Enabled needs firmware.type: UEFI",
                path=".firmware.secureBoot",
            ),
            rule(
                "has(self.plugin) || !has(self.firmware) || (has(self.firmware.type) && self.firmware.type == 'UEFI') || "
                "!(has(self.firmware.tpm) && self.firmware.tpm == 'Enabled')",
                "firmware.tpm: Enabled needs firmware.type: UEFI",
                path=".firmware.tpm",
            ),
            rule(
                f"!({HAS_DEVICES}) || !has(self.powerState) || self.powerState != 'Hibernated'",
                "powerState Hibernated is not allowed with devices: what they hold cannot be saved",
                path=".powerState",
            ),
            rule(
                f"!({HAS_DEVICES}) || !has(self.memory) || !has(self.memory.maxSize)",
                "memory.maxSize is not allowed with devices: they reach all memory, so none of it can be taken back",
                path=".memory.maxSize",
            ),
            distinct("interfaces", "address"),
            distinct("interfaces", "macAddress"),
        )
    )

    power_state: PowerState = "Running"
    """Running (default), Paused (stopped clock, memory kept), Hibernated (memory saved to disk, no CPU or memory booked) or Stopped. Live."""
    restart_policy: RestartPolicy | None = None
    """What happens when the guest stops by itself: Always (default) starts it again, OnFailure only after a failure, Never leaves it. Live."""
    termination_grace_period_seconds: Annotated[int, Field(ge=0, le=86400)] | None = None
    """Seconds between the shutdown request and the power cut; default 60, 0 cuts at once. Live."""
    eviction_policy: EvictionPolicy | None = None
    """What a drain or another eviction from its node does: Stop (default) shuts the guest down, to start on another node or once this one is back; Block refuses it while the guest is on. Live."""
    deletion_protection: DeletionProtection | None = None
    """Enabled refuses to delete the machine; default Disabled. Live."""
    plugin: Reference | None = None
    """Plugin whose values are inherited where this spec gives none; the machine keeps the revision it started with until it is restarted on request, which is also when another plugin or none applies. Absent: none."""
    cpu: CPU | None = None
    """Processors: how many, what they look like to the guest, and what is booked for them."""
    memory: Memory | None = None
    """Memory: how much of it, and of what kind."""
    architecture: Architecture | None = None
    """amd64 or arm64; default that of the node the machine is placed on. A change applies at the next start."""
    emulation: Emulation | None = None
    """Allowed lets a node of another architecture run the machine, slowly; default Forbidden: only nodes of its architecture do. Applies when the machine is next scheduled."""
    machine_type: MachineType | None = None
    """Board: q35 (amd64), virt (arm64), or one version of them such as pc-q35-7.2; default the newest that the node has. What the first start chose stays, in status.resolved. A change applies at the next start."""
    firmware: Firmware | None = None
    """What starts the boot loader: BIOS or UEFI, secure boot, a TPM."""
    kernel: KernelBoot | None = None
    """Direct boot of a kernel; default the boot disk's image's own kernel, else its boot loader."""
    disks: Annotated[list[Disk], Field(max_length=16, json_schema_extra=keyed("name"))] | None = None
    """Disks in boot order. Removing an entry only detaches: the volume stays and comes back with an entry of that name. Disks on VirtIO and SCSI are added and removed live."""
    interfaces: Annotated[list[Interface], Field(max_length=8, json_schema_extra=keyed("name"))] | None = None
    """Network interfaces; absent: one, called default, on the default network; empty: none. They are added and removed live; what of an entry is not said to be live applies at the next start."""
    watchdog: Watchdog | None = None
    """Give the machine a watchdog; when the guest stops feeding it: Reset, PowerOff (the restart policy says what follows) or Pause. Only on amd64. Absent: none. A change applies at the next start."""
    graphics: Graphics | None = None
    """Screen: VNC (default) or SPICE, on a socket of the node that nothing outside it reaches, or Headless. There is always a serial console. A change applies at the next start."""
    devices: Annotated[list[Device], Field(max_length=MOST, json_schema_extra=keyed("name"))] | None = None
    """Devices of the node that the guest has for itself, each of a resource that an administrator offers; booked as such, so that quotas count them. The machine is placed where they are free, and cannot be hibernated. A change applies at the next start."""
    cloud_init: CloudInit | None = None
    """What cloud-init in the guest is told by a NoCloud seed disk; absent: no seed, unless the plugin gives one."""
    readiness_probe: ReadinessProbe | None = None
    """How the agent finds out that the guest serves; gates GuestReady. Absent: a running guest counts as ready. Live."""
    node_selector: NodeLabels | None = None
    """Labels a node must have; absent: none; exactly as in a Pod. Applies when the machine is next scheduled."""
    affinity: AffinityData | None = None
    """Node and machine affinity, exactly as in a Pod. Applies when the machine is next scheduled."""
    tolerations: Annotated[list[TolerationData], Field(max_length=32)] | None = None
    """Taints the machine tolerates, exactly as in a Pod. Applies when the machine is next scheduled."""
    topology_spread_constraints: Annotated[list[SpreadData], Field(max_length=8)] | None = None
    """How machines spread over nodes, exactly as in a Pod. Applies when the machine is next scheduled."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the machine, absent: the cluster's default; exactly as in a Pod. Applies when the machine is next scheduled."""


class GuestAddress(Model):
    """Addresses of one interface."""

    interface: ShortName
    """Name of the interface."""
    ip: Word | None = None
    """IP address, kept for the machine's life."""
    ipv6: Word | None = None
    """IPv6 address, kept for the machine's life."""
    mac: Word | None = None
    """Hardware address, kept for the machine's life."""


class PendingChange(Model):
    """One difference between the spec and the running machine."""

    path: Word
    """Where in the spec."""
    live: Prose
    """What the running machine has."""
    desired: Prose
    """What the spec asks for."""
    effect: Literal["Live", "Restart", "Impossible"]
    """Live: at once, it is being done; Restart: at the next start; Impossible: not on this node, which lacks what reason says."""
    reason: Prose = ""
    """Why not at once, for people."""


class LastStop(Model):
    """Why the machine last stopped."""

    reason: Literal[
        "GuestShutdown",
        "GuestPanic",
        "GuestCrashed",
        "HypervisorKilled",
        "Destroyed",
        "Requested",
        "HostFailure",
        "Evicted",
        "OutOfSpace",
        "Watchdog",
        "Unknown",
    ]
    """GuestShutdown: the guest switched itself off; GuestPanic, GuestCrashed: it failed; Watchdog: it stopped feeding its watchdog; HypervisorKilled: QEMU died; Destroyed: somebody cut its power on the host; Requested: the spec asked."""
    actor: Word = ""
    """Who: the field manager that changed the spec, guest, node."""
    time: Time
    """When."""
    detail: Prose = ""
    """More, for people."""


class StartTimeline(Model):
    """When the latest start passed each step."""

    accepted: Time | None = None
    """The spec was found good."""
    scheduled: Time | None = None
    """A node was chosen."""
    prepared: Time | None = None
    """Image, volumes and network were there."""
    started: Time | None = None
    """QEMU ran."""
    ready: Time | None = None
    """The guest was ready."""


class VirtualMachineStatus(Model):
    """What was observed of the machine."""

    observed_generation: int | None = None
    """The metadata.generation this status tells of."""
    phase: Word | None = None
    """One word for people, never an input: Pending Provisioning Scheduling Starting Running Paused Hibernated Stopping Stopped CrashLoopBackOff Terminating Unknown."""
    conditions: Conditions | None = None
    """Accepted Scheduled VolumesReady NetworkReady Running GuestReady, summed up in Ready; Synced only informs."""
    node_name: ObjectName | None = None
    """Node that holds the machine."""
    epoch: int | None = None
    """Which incarnation on a node; it grows with every move."""
    domain: ObjectName | None = None
    """Name of the Domain object of this incarnation."""
    guest_uuid: Annotated[Word | None, Field(alias="guestUUID")] = None
    """libvirt's uuid of its guest, if it was adopted from an earlier machine; else that is the machine's own uid."""
    addresses: Annotated[list[GuestAddress], Field(max_length=8, json_schema_extra=keyed("interface"))] | None = None
    """Addresses by interface."""
    resolved: ResolvedMachine | None = None
    """The effective spec, defaults filled in."""
    pending_changes: Annotated[list[PendingChange], Field(max_length=64, json_schema_extra=keyed("path"))] | None = None
    """Where the spec differs from the running machine."""
    restarts: int | None = None
    """How often the machine was started again after it stopped by itself."""
    last_stop: LastStop | None = None
    """Why it last stopped."""
    detached_volumes: (
        Annotated[list[ObjectName], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})] | None
    ) = None
    """Volumes of removed disk entries; each comes back with an entry of its name."""
    start_timeline: StartTimeline | None = None
    """When the latest start passed each step."""
