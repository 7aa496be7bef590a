"""Domain (internal): one machine on one node, fully resolved; its name ``<machine>-<epoch>`` is the lock.

Written by the controller alone; the node's agent writes status and its own finalizer. Nothing secret is in it.
"""

from typing import Annotated, Literal

from pydantic import Field

from drover.api.base import (
    Conditions,
    HardwareAddress,
    Label,
    Link,
    Model,
    ObjectName,
    Prose,
    Reference,
    ShortName,
    Time,
    Word,
    keyed,
    rule,
    rules,
    whole,
)
from drover.api.cloudinit import AuthorizedKeys, EnvironmentVariable, SecretKey, SeedText
from drover.api.hardware import DiskBus, DiskHardware, Machine
from drover.api.hostdevice import MOST
from drover.api.interface import AddressMode, InterfaceModel, LinkState
from drover.api.probe import ReadinessProbe
from drover.api.resolved import RestartPolicy
from drover.api.virtualmachine import LastStop, PowerState

DomainState = Literal["Pending", "Starting", "Running", "Paused", "Hibernated", "Stopping", "Stopped", "Unknown"]


class Artifact(Model):
    """A file to fetch: where from, and what it must hash to."""

    url: Link
    """Where to fetch it: by http or https, or as planning.imagesource writes S3 and OCI."""
    checksum: Annotated[str, Field(max_length=160)] | None = None
    """sha256:… or sha512:… that it must have."""
    type: Literal["ISO"] | None = None
    """ISO: the image of a CD, kept as it is; absent: a disk or a kernel, by where it is named."""
    secret: Annotated[str, Field(max_length=253)] | None = None
    """Secret of the image's namespace that it takes to fetch it; agents get it from the controller."""


class MachineRef(Model):
    """The machine a Domain belongs to."""

    name: Label
    """Name of the VirtualMachine, in the Domain's namespace."""
    uid: Annotated[str, Field(max_length=64)]
    """Its uid."""


class DomainKernel(Model):
    """A kernel to boot directly."""

    image: Reference
    """namespace/name of the VirtualMachineImage it comes from."""
    kernel: Artifact
    """The kernel."""
    initrd: Artifact | None = None
    """The initial RAM disk."""
    arguments: Annotated[str, Field(max_length=4096)] = ""
    """Kernel command line."""


class DomainImage(Model):
    """The image a volume starts from."""

    image: Reference
    """namespace/name of the VirtualMachineImage."""
    source: Artifact
    """Where its disk file is."""


class DomainClone(Model):
    """The volume that another one starts as a copy of."""

    volume: ObjectName
    """Name of the StorageVolume."""
    volume_uid: Annotated[str, Field(max_length=64)]
    """Its uid."""
    pool: ObjectName
    """StoragePool that holds it."""


class DomainDisk(Model):
    """One disk, in boot order."""

    name: ShortName
    """Name of the disk within the machine."""
    volume: ObjectName
    """Name of the StorageVolume."""
    volume_uid: Annotated[str, Field(max_length=64)]
    """Its uid; the file in the pool is called by it."""
    pool: ObjectName
    """StoragePool that holds it."""
    size_bytes: int | None = None
    """Capacity; absent: that of what it starts from."""
    image: DomainImage | None = None
    """The image it starts from."""
    clone: DomainClone | None = None
    """The volume it starts as a copy of; without it and an image: blank."""
    lun: int | None = None
    """The LUN that it is, in a pool whose volumes are LUNs."""
    data: Literal["New", "Seen"] = "New"
    """Seen: some node had its data before this incarnation, so that it is never made anew."""
    key: SecretKey | None = None
    """Where the passphrase of its encryption is kept, in the Domain's namespace; absent: it is not encrypted."""
    hardware: DiskHardware = Field(default_factory=DiskHardware)
    """How it is plugged in."""


class DomainMedium(Model):
    """A CDROM drive and what is in it."""

    name: ShortName
    """Name of the drive within the machine."""
    bus: DiskBus | None = None
    """Bus it is on; absent: what is usual for the architecture."""
    serial: Annotated[str, Field(max_length=64)] = ""
    """Serial number; empty: the drive's name."""
    boot_order: int | None = None
    """Its turn when a boot loader is looked for; absent: after disks and drives that have one."""
    image: DomainImage | None = None
    """What is in it; absent: nothing."""


class DomainInterface(Model):
    """One network interface."""

    name: ShortName
    """Name of the interface within the machine."""
    network: ShortName
    """VirtualNetwork."""
    mac: HardwareAddress
    """Hardware address."""
    ip: Annotated[str, Field(max_length=39)] = ""
    """Allocated IPv4 address, empty without one."""
    ipv6: Annotated[str, Field(max_length=39)] = ""
    """Allocated IPv6 address, empty without one."""
    address_mode: AddressMode = "DHCP"
    """How the guest learns its addresses."""
    model: InterfaceModel = "VirtIO"
    """Kind of network card."""
    link: LinkState = "Up"
    """Whether the cable is plugged in."""
    mtu: int | None = None
    """Largest packet in bytes; absent: the network card's own choice."""
    bytes_per_second: int | None = None
    """Most that passes in each direction; absent: no bound."""
    security_groups: Annotated[list[Label], Field(max_length=8)] = []
    """SecurityGroups of the Domain's namespace whose rules it obeys; none: all may pass."""


class DomainPlugin(Model):
    """The plugin that the machine inherits from."""

    name: Reference
    """namespace/name of the Plugin."""
    revision: ObjectName
    """ControllerRevision of it, in its namespace, that the machine is pinned to."""


class DomainText(Model):
    """A text of the seed: as it is, or in a Secret that the controller hands to the node of this Domain alone."""

    inline: SeedText | None = None
    """The text."""
    secret: SecretKey | None = None
    """Where it is kept, in the Domain's namespace."""


class DomainSeed(Model):
    """What the guest is told at its first boot; nothing secret stands in it."""

    hostname: Label
    """Host name."""
    ssh_authorized_keys: AuthorizedKeys = []
    """Public keys of the default user."""
    user_data: DomainText | None = None
    """User data."""
    network_data: DomainText | None = None
    """Network configuration."""
    meta_data: DomainText | None = None
    """More metadata."""
    entrypoint: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(max_length=64)] = []
    """Command of the plugin's workload."""
    env: Annotated[list[EnvironmentVariable], Field(max_length=128, json_schema_extra=keyed("name"))] = []
    """Environment of the plugin's workload."""


class DomainSpec(Model):
    """What the node is to make true."""

    node_name: Annotated[
        str, Field(max_length=253, json_schema_extra=rules(rule("self == oldSelf", "nodeName is immutable")))
    ]
    """Node whose agent acts on it. Immutable."""
    node_uid: Annotated[Word | None, Field(alias="nodeUID")] = None
    """uid of its Node object when the agent was last seen alive: a Node of this name with another uid is another node."""
    virtual_machine: MachineRef
    """The machine."""
    uuid: Annotated[str, Field(max_length=36)]
    """libvirt's uuid of the guest: the machine's uid, or that of the machine from which the guest was adopted."""
    epoch: Annotated[int, Field(ge=1)]
    """Which incarnation."""
    power_state: PowerState
    """What the guest should be."""
    restart_policy: RestartPolicy
    """What happens when it stops by itself."""
    termination_grace_period_seconds: int
    """Seconds between shutdown request and power cut."""
    restarted_at: Word | None = None
    """The machine's restart request, acted on once per new value."""
    started_at: Word | None = None
    """The machine's start request, acted on once per new value."""
    stop_reason: Literal["Requested", "Evicted"] | None = None
    """Why powerState is Stopped, when it is not the spec's own wish."""
    actor: Word = ""
    """Field manager that last changed the machine's spec."""
    machine: Machine
    """The hardware, at the next start."""
    kernel: DomainKernel | None = None
    """Kernel to boot directly; absent: the first disk's boot loader."""
    disks: Annotated[list[DomainDisk], Field(max_length=16, json_schema_extra=keyed("name"))] = []
    """Disks, at the next start."""
    media: Annotated[list[DomainMedium], Field(max_length=16, json_schema_extra=keyed("name"))] = []
    """CDROM drives; the drives at the next start, what is in them at once."""
    interfaces: Annotated[list[DomainInterface], Field(max_length=8, json_schema_extra=keyed("name"))] = []
    """Interfaces, at the next start."""
    plugin: DomainPlugin | None = None
    """Plugin and the revision of it that the machine is pinned to."""
    seed: DomainSeed | None = None
    """What the guest is told at its first boot, at the next start; absent: no seed disk."""
    readiness_probe: ReadinessProbe | None = None
    """How to find out that the guest serves."""


LiveText = Annotated[str, Field(max_length=512)]


class LiveMachine(Model):
    """What the machine in flight was started with."""

    cores: int
    """Virtual cores."""
    memory_bytes: int
    """Memory the guest sees."""
    max_cores: int | None = None
    """Cores that it can be given as it runs; absent: no more than it has."""
    max_memory_bytes: int | None = None
    """Memory that it can be given as it runs; absent: no more than it has."""
    settings: Annotated[dict[str, LiveText], Field(max_length=16, json_schema_extra=whole())] = {}
    """What else it was started with, by path in the machine's spec; absent: the default."""
    ports: int = 0
    """Slots on its board for disks on VirtIO and for interfaces, taken and free."""
    disks: Annotated[list[LiveText], Field(max_length=16)] = []
    """Its disks, each as name, volume, size in bytes and, as key=value, how it is plugged in."""
    media: Annotated[list[LiveText], Field(max_length=16)] = []
    """Its CDROM drives, each as name and, as key=value, what is in it and how it is plugged in."""
    interfaces: Annotated[list[LiveText], Field(max_length=8)] = []
    """Its interfaces, each as name, network, hardware address, IP addresses with a comma between, and the model unless it is VirtIO."""
    devices: Annotated[list[LiveText], Field(max_length=MOST)] = []
    """Its devices of the node, each as name, resource and addresses with commas between."""
    changing: Annotated[dict[str, LiveText], Field(max_length=32, json_schema_extra=whole())] = {}
    """Those of its disks and interfaces that are being plugged in or out just now, by path in the machine's spec: Plugging or Unplugging."""
    kernel: Annotated[str, Field(max_length=8192)] = ""
    """Image and arguments of its kernel."""
    seed: Word = ""
    """Digest of what its seed was made from, Secrets by name only, and how that tells of each interface."""
    plugin: Word = ""
    """Revision of its plugin."""
    secrets: Annotated[list[LiveText], Field(max_length=3)] = []
    """Secrets that its seed was made from, each as name and version; none when that is not known."""


class VolumeFact(Model):
    """What the node saw of one volume."""

    name: ObjectName
    """Name of the StorageVolume."""
    ready: bool
    """Whether its file is there."""
    capacity_bytes: int | None = None
    """Size the guest sees."""
    allocated_bytes: int | None = None
    """Space it took in the pool when it was last made or checked."""


class DomainTimeline(Model):
    """When the latest start passed each step on the node."""

    prepared: Time | None = None
    """Image, volumes and network were there."""
    started: Time | None = None
    """QEMU ran."""
    ready: Time | None = None
    """The guest was ready."""


class Lack(Model):
    """Something that the machine's spec asks for and its node does not have."""

    path: Word
    """Field of the machine's spec."""
    message: Prose
    """What the node lacks."""


class Obstacle(Model):
    """Something that the guest in flight was to get or to lose at once, and that could not be done."""

    path: Word
    """Field of the machine's spec."""
    message: Prose
    """What was in the way; it is tried again."""


class DomainStatus(Model):
    """What the node's agent observed."""

    observed_generation: int | None = None
    """The metadata.generation this status tells of."""
    state: DomainState | None = None
    """What the guest is."""
    reason: Word | None = None
    """Why, as one CamelCase word."""
    message: Prose | None = None
    """Why, for people."""
    since: Time | None = None
    """When the state began."""
    conditions: Conditions | None = None
    """VolumesReady NetworkReady Running GuestReady, as seen on the node."""
    live: LiveMachine | None = None
    """What the machine in flight was started with, and was given since; absent when it is off."""
    lacking: Annotated[list[Lack], Field(max_length=8, json_schema_extra=keyed("path"))] | None = None
    """What the node does not have of what the machine in flight would be started with now; absent when it is off."""
    obstacles: Annotated[list[Obstacle], Field(max_length=64, json_schema_extra=keyed("path"))] | None = None
    """What could not be changed yet of the machine in flight, and what was in the way."""
    machine_type: Word | None = None
    """Board that the guest was first started with on this node."""
    architecture: Word | None = None
    """Architecture of the guest."""
    volumes: Annotated[list[VolumeFact], Field(max_length=16, json_schema_extra=keyed("name"))] | None = None
    """What the node holds of its volumes."""
    restarts: int | None = None
    """Starts after it stopped by itself."""
    next_restart: Time | None = None
    """When the back-off ends and it is started again."""
    last_stop: LastStop | None = None
    """Why it last stopped."""
    handled_restart: Word | None = None
    """Restart request acted on last."""
    handled_start: Word | None = None
    """Start request acted on last."""
    boot_id: Annotated[Word | None, Field(alias="bootID")] = None
    """Boot of the node in which this was observed."""
    timeline: DomainTimeline | None = None
    """When the latest start passed each step."""
