"""VirtualMachine: the user's machine.

The spec has no defaults and nothing required, except list keys and `powerState`: the API server would store a default,
and then no other source of that value could ever win. `planning.resolve` holds the effective defaults.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import (
    Conditions,
    HardwareAddress,
    IPv4,
    Label,
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
from drover.api.probe import ReadinessProbe, asks_somebody
from drover.api.scheduling import AffinityData, SpreadData, TolerationData
from drover.api.volume import FROM_RULES, DiskSource

PowerState = Literal["Running", "Paused", "Hibernated", "Stopped"]
RestartPolicy = Literal["Always", "OnFailure", "Never"]
ReclaimPolicy = Literal["Delete", "Retain"]
EvictionPolicy = Literal["Stop", "Block"]
DeletionProtection = Literal["Disabled", "Enabled"]


class CPU(Model):
    """Processors of the machine."""

    cores: Annotated[int, Field(ge=1, le=256)] | None = None
    """Number of virtual cores; default 1. A change applies at the next start."""
    request: Annotated[Quantity, Field(json_schema_extra=between("cpu.request", "1m", "256"))] | None = None
    """CPU the scheduler books for the machine, such as 200m; default a tenth of a core for each core. Applies at the next start."""


class Memory(Model):
    """Memory of the machine."""

    size: Annotated[Quantity, Field(json_schema_extra=between("memory.size", "16Mi", "16Ti"))] | None = None
    """Memory the guest sees, such as 2Gi; booked in full plus overhead; default 512Mi. A change applies at the next start."""


class KernelBoot(Model):
    """Direct boot: QEMU loads the kernel itself, no boot loader is involved."""

    image: Reference | None = None
    """VirtualMachineImage that holds the kernel, of type Kernel or with a kernel of its own; default the boot disk's image's kernel."""
    arguments: Annotated[str, Field(max_length=2048)] | None = None
    """Kernel command line; default the image's. A change applies at the next start."""


def _kept(name: str) -> dict[str, str]:
    """CEL: a field of a disk entry stays as it was added."""
    was, now = (f"(has({which}.{name}) ? {which}.{name} : 'none')" for which in ("oldSelf", "self"))
    return rule(
        same(name),
        f"'disk ' + self.name + ': {name} is immutable: ' + {was} + ', not ' + {now}"
        " + '; remove the entry and add one of another name'",
        dynamic=True,
        path=f".{name}",
    )


class Disk(Model):
    """One disk: a new volume (blank, or made from an image or another volume), or an existing one."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.volume) || !(has(self.image) || has(self.size) || has(self.pool) || has(self.from) || has(self.reclaimPolicy))",
                "'disk ' + self.name + ': volume takes an existing disk as it is; image, from, size, pool and reclaimPolicy are not allowed beside it'",
                dynamic=True,
            ),
            *FROM_RULES,
            _kept("image"),
            _kept("pool"),
            grows("'disk ' + self.name + ': '"),
        )
    )

    name: ShortName
    """Name of the disk within the machine, a DNS label of at most 20 characters; its volume is called <machine>.<name>."""
    image: Reference | None = None
    """VirtualMachineImage the disk starts from, by copy on write; absent: blank. Immutable."""
    from_: Annotated[DiskSource | None, Field(alias="from")] = None
    """Existing volume that the disk starts as a copy of. Immutable."""
    size: Annotated[Quantity, Field(json_schema_extra=between("size", "1Mi", "64Ti"))] | None = None
    """Capacity such as 10Gi; default that of the image or volume it starts from. Only grows. Live."""
    pool: ObjectName | None = None
    """StoragePool the volume is made in; default the pool marked as default. Immutable."""
    volume: ObjectName | None = None
    """Name of an existing StorageVolume of this namespace; excludes the other fields."""
    reclaim_policy: ReclaimPolicy | None = None
    """What becomes of the volume when the machine is deleted: Delete (default) or Retain. Live."""


AddressMode = Literal["DHCP", "Static", "Unmanaged"]
InterfaceModel = Literal["VirtIO", "E1000E", "RTL8139"]
LinkState = Literal["Up", "Down"]


class InterfaceLimits(Model):
    """Bounds of an interface's traffic: what exceeds them is dropped by the node."""

    bytes_per_second: (
        Annotated[Quantity, Field(json_schema_extra=between("limits.bytesPerSecond", "8k", "100G"))] | None
    ) = None
    """Bytes a second, in each direction by itself, such as 10M."""


class Interface(Model):
    """One network interface."""

    name: ShortName
    """Name of the interface within the machine, a DNS label of at most 20 characters."""
    network: ShortName | None = None
    """VirtualNetwork it is plugged into; default the network marked as default. A change applies at the next start."""
    address: IPv4 | None = None
    """IPv4 address to reserve, inside the network's subnet; default the lowest free one. Kept for the machine's life."""
    mac_address: HardwareAddress | None = None
    """Hardware address, lower case and locally administered (such as 02:00:00:00:00:01); default derived from the machine's uid."""
    address_mode: AddressMode | None = None
    """How the guest learns its address: DHCP (default) from the gateway; Static: reserved all the same, and set by the guest itself; Unmanaged: none is reserved, and the guest may use any. A change applies at the next start."""
    model: InterfaceModel | None = None
    """Kind of network card: VirtIO (default), E1000E or RTL8139 for guests without VirtIO drivers. A change applies at the next start."""
    link: LinkState | None = None
    """Up (default) or Down: an unplugged cable. Live."""
    limits: InterfaceLimits | None = None
    """Bounds of its traffic. Live."""
    security_groups: (
        Annotated[list[Label], Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"})] | None
    ) = None
    """SecurityGroups of this namespace. None: all may reach the machine; one or more: only what their rules allow. Live."""


_SOURCED = "has(disk.volume) || has(disk.image) || has(disk.from) || has(disk.size)"


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
            distinct("interfaces", "address"),
            distinct("interfaces", "macAddress"),
        )
    )

    power_state: PowerState = "Running"
    """Running, Paused (stopped clock, memory kept), Hibernated (memory saved to disk, no CPU or memory booked) or Stopped. Live."""
    restart_policy: RestartPolicy | None = None
    """What happens when the guest stops by itself: Always (default) starts it again, OnFailure only after a failure, Never leaves it. Live."""
    termination_grace_period_seconds: Annotated[int, Field(ge=0, le=86400)] | None = None
    """Seconds between the shutdown request and the power cut; default 60, 0 cuts at once. Live."""
    eviction_policy: EvictionPolicy | None = None
    """What a drain or another eviction from its node does: Stop (default) shuts the guest down, to start on another node or once this one is back; Block refuses it while the guest is on. Live."""
    deletion_protection: DeletionProtection | None = None
    """Enabled refuses to delete the machine; default Disabled. Live."""
    plugin: Reference | None = None
    """Plugin whose values are inherited where this spec gives none; the machine keeps the revision it started with until it is restarted on request."""
    cpu: CPU | None = None
    """Processors."""
    memory: Memory | None = None
    """Memory."""
    kernel: KernelBoot | None = None
    """Direct boot of a kernel; default the boot disk's image's own kernel, else its boot loader."""
    disks: Annotated[list[Disk], Field(max_length=16, json_schema_extra=keyed("name"))] | None = None
    """Disks in boot order. Removing an entry only detaches: the volume stays and comes back with an entry of that name. Applies at the next start."""
    interfaces: Annotated[list[Interface], Field(max_length=8, json_schema_extra=keyed("name"))] | None = None
    """Network interfaces; absent: one, called default, on the default network; empty: none."""
    cloud_init: CloudInit | None = None
    """What cloud-init in the guest is told by a NoCloud seed disk; absent: no seed, unless the plugin gives one."""
    readiness_probe: ReadinessProbe | None = None
    """How the agent finds out that the guest serves; gates GuestReady. Absent: a running guest counts as ready. Live."""
    node_selector: NodeLabels | None = None
    """Labels a node must have, exactly as in a Pod. Applies when the machine is next scheduled."""
    affinity: AffinityData | None = None
    """Node and machine affinity, exactly as in a Pod. Applies when the machine is next scheduled."""
    tolerations: Annotated[list[TolerationData], Field(max_length=32)] | None = None
    """Taints the machine tolerates, exactly as in a Pod. Applies when the machine is next scheduled."""
    topology_spread_constraints: Annotated[list[SpreadData], Field(max_length=8)] | None = None
    """How machines spread over nodes, exactly as in a Pod. Applies when the machine is next scheduled."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the machine, exactly as in a Pod. Applies when the machine is next scheduled."""


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


class ResolvedDisk(Model):
    """One disk as it will be."""

    name: ShortName
    """Name of the disk."""
    volume: ObjectName
    """StorageVolume behind it."""
    pool: Word | None = None
    """Pool of the volume."""
    image: Word | None = None
    """namespace/name of the image it starts from."""
    size: Word | None = None
    """Capacity; absent: the image's."""
    reclaim_policy: ReclaimPolicy
    """What becomes of the volume when the machine is deleted."""


class ResolvedInterface(Model):
    """One interface as it will be."""

    name: ShortName
    """Name of the interface."""
    network: Word | None = None
    """VirtualNetwork it is plugged into."""


class ResolvedSeed(Model):
    """What the guest is told at its first boot; texts only by where they come from."""

    hostname: Word
    """Host name."""
    ssh_authorized_keys: int
    """Number of public keys."""
    user_data: Word | None = None
    """Inline, or Secret <name>/<key>."""
    network_data: Word | None = None
    """Inline, Secret <name>/<key>, or Generated: what the interfaces say, several or with a static address."""
    meta_data: Word | None = None
    """Inline, or Secret <name>/<key>."""
    entrypoint: Prose | None = None
    """Command of the plugin's workload."""
    env: Annotated[list[Word], Field(max_length=128)] | None = None
    """Names of the workload's environment variables."""


class ResolvedMachine(Model):
    """The effective spec: what the machine gets at its next start."""

    cores: int
    """Virtual cores."""
    memory: Word
    """Memory the guest sees."""
    cpu_request: Word
    """CPU booked."""
    memory_request: Word
    """Memory booked: the guest's and the overhead."""
    restart_policy: RestartPolicy
    """Effective restart policy."""
    termination_grace_period_seconds: int
    """Effective grace period."""
    pools: Annotated[dict[str, Word], Field(max_length=16)] | None = None
    """Pool of each new disk."""
    networks: Annotated[dict[str, Word], Field(max_length=16)] | None = None
    """Network of each interface."""
    plugin: Word | None = None
    """namespace/name of the plugin whose values are inherited."""
    plugin_revision: Word | None = None
    """Revision of it that the machine is made of."""
    kernel_image: Word | None = None
    """namespace/name of the image whose kernel boots."""
    kernel_arguments: Prose | None = None
    """Kernel command line; absent: the image's."""
    disks: Annotated[list[ResolvedDisk], Field(max_length=16, json_schema_extra=keyed("name"))] | None = None
    """Disks in boot order."""
    interfaces: Annotated[list[ResolvedInterface], Field(max_length=8, json_schema_extra=keyed("name"))] | None = None
    """Network interfaces."""
    readiness_probe: ReadinessProbe | None = None
    """Effective readiness probe."""
    seed: ResolvedSeed | None = None
    """What the guest is told at its first boot."""


class PendingChange(Model):
    """One difference between the spec and the running machine."""

    path: Word
    """Where in the spec."""
    live: Prose
    """What the running machine has."""
    desired: Prose
    """What the spec asks for."""
    effect: Literal["Restart"]
    """When it applies."""


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
        "Unknown",
    ]
    """GuestShutdown: the guest switched itself off; GuestPanic, GuestCrashed: it failed; HypervisorKilled: QEMU died; Destroyed: somebody cut its power on the host; Requested: the spec asked."""
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
