"""Plugin: a packaged workload, whose values a VirtualMachine that names it inherits.

What would let a plugin reach into the namespaces of those who use it is not in its schema: Secrets, existing volumes,
addresses, and where machines may run.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import (
    Conditions,
    Model,
    ObjectName,
    Quantity,
    Reference,
    ShortName,
    Word,
    between,
    keyed,
    rule,
    rules,
)
from drover.api.cloudinit import EnvironmentVariable, InlineCloudInit
from drover.api.hardware import (
    CPU,
    Architecture,
    BootOrder,
    DiskBus,
    DiskCache,
    DiskLimits,
    DiskType,
    Firmware,
    Graphics,
    MachineType,
    Memory,
    Serial,
    Switch,
    Watchdog,
)
from drover.api.interface import AddressMode, InterfaceLimits, InterfaceModel, LinkState, SecurityGroups
from drover.api.probe import Port, ReadinessProbe
from drover.api.resolved import ReclaimPolicy, RestartPolicy
from drover.api.scheduling import AffinityData, SpreadData
from drover.api.sharing import AllowedNamespaces
from drover.api.virtualmachine import EvictionPolicy, KernelBoot


class TemplateDisk(Model):
    """A disk that machines inherit; the machine's entry of its name is laid over it."""

    name: ShortName
    """Name of the disk within the machine."""
    image: Reference | None = None
    """VirtualMachineImage the disk starts from; a name without a namespace is one of the plugin's namespace."""
    size: Annotated[Quantity, Field(json_schema_extra=between("size", "1Mi", "64Ti"))] | None = None
    """Capacity such as 10Gi; default the image's."""
    pool: ObjectName | None = None
    """StoragePool the volume is made in; default the pool marked as default."""
    reclaim_policy: ReclaimPolicy | None = None
    """What becomes of the volume when the machine is deleted: Delete (default) or Retain."""
    type: DiskType | None = None
    """Disk (default) or CDROM: a drive for an image, which is only read."""
    bus: DiskBus | None = None
    """Bus it is on: VirtIO, SCSI or SATA."""
    cache: DiskCache | None = None
    """How the node caches it: Default, WriteBack, WriteThrough or Unsafe."""
    read_only: Switch | None = None
    """Enabled lets the guest only read it."""
    ephemeral: Switch | None = None
    """Enabled drops what the guest wrote when it stops."""
    serial: Serial | None = None
    """Serial number the guest sees."""
    boot_order: BootOrder | None = None
    """Its turn when a boot loader is looked for."""
    limits: DiskLimits | None = None
    """Bounds of its traffic."""


class TemplateInterface(Model):
    """An interface that machines inherit; the machine's entry of its name is laid over it."""

    name: ShortName
    """Name of the interface within the machine."""
    network: ShortName | None = None
    """VirtualNetwork it is plugged into; default the network marked as default."""
    address_mode: AddressMode | None = None
    """How the guest learns its address: DHCP, Static or Unmanaged."""
    model: InterfaceModel | None = None
    """Kind of network card: VirtIO, E1000E or RTL8139."""
    link: LinkState | None = None
    """Up, or Down: an unplugged cable."""
    limits: InterfaceLimits | None = None
    """Bounds of its traffic."""
    security_groups: SecurityGroups | None = None
    """SecurityGroups of the machine's namespace."""


class Template(Model):
    """Fields of a VirtualMachine's spec as values to inherit: a machine's own value goes over the plugin's."""

    restart_policy: RestartPolicy | None = None
    """What happens when the guest stops by itself: Always, OnFailure or Never."""
    termination_grace_period_seconds: Annotated[int, Field(ge=0, le=86400)] | None = None
    """Seconds between the shutdown request and the power cut."""
    eviction_policy: EvictionPolicy | None = None
    """What a drain does to the machine: Stop or Block."""
    cpu: CPU | None = None
    """Processors."""
    memory: Memory | None = None
    """Memory."""
    architecture: Architecture | None = None
    """amd64 or arm64."""
    machine_type: MachineType | None = None
    """Board: q35, virt, or one version of them."""
    firmware: Firmware | None = None
    """What starts the boot loader."""
    watchdog: Watchdog | None = None
    """What happens when the guest stops feeding its watchdog: Reset, PowerOff or Pause."""
    graphics: Graphics | None = None
    """Screen: VNC, SPICE or Headless."""
    kernel: KernelBoot | None = None
    """Direct boot of a kernel; an image without a namespace is one of the plugin's namespace."""
    disks: Annotated[list[TemplateDisk], Field(max_length=16, json_schema_extra=keyed("name"))] | None = None
    """Disks in boot order; a machine's own entries of other names come after them."""
    interfaces: Annotated[list[TemplateInterface], Field(max_length=8, json_schema_extra=keyed("name"))] | None = None
    """Network interfaces; a machine's own entries of other names come after them."""
    cloud_init: InlineCloudInit | None = None
    """What cloud-init in the guest is told."""
    readiness_probe: ReadinessProbe | None = None
    """How the agent finds out that the guest serves; default what `workload` says."""
    affinity: AffinityData | None = None
    """Node and machine affinity, exactly as in a Pod."""
    topology_spread_constraints: Annotated[list[SpreadData], Field(max_length=8)] | None = None
    """How machines spread over nodes, exactly as in a Pod."""


class Workload(Model):
    """What runs inside the guest; `entrypoint` and `env` reach it on its seed disk."""

    model_config = ConfigDict(
        json_schema_extra=rules(rule("has(self.type) == has(self.port)", "workload takes type and port together"))
    )

    type: Literal["HTTP", "TCP"] | None = None
    """HTTP or TCP: how it is spoken to on `port`; the readiness probe when neither machine nor template gives one. Absent: nothing is asked."""
    port: Port | None = None
    """TCP port it listens on; absent: none."""
    entrypoint: (
        Annotated[list[Annotated[str, Field(min_length=1, max_length=4096)]], Field(min_length=1, max_length=64)] | None
    ) = None
    """Command and arguments to run once the guest is up, at every boot; default whatever the image starts."""
    env: Annotated[list[EnvironmentVariable], Field(max_length=128, json_schema_extra=keyed("name"))] | None = None
    """Environment of the entrypoint, also in the file workload.env of the seed; default empty."""


class PluginSpec(Model):
    """What the plugin is, who may use it, and what machines inherit from it."""

    version: Word | None = None
    """Version of what is packaged, for people; absent: none. A change makes a new revision."""
    description: Annotated[str, Field(max_length=1024)] | None = None
    """What it is, for people; absent: nothing is said. Live."""
    state: Literal["Enabled", "Disabled"] | None = None
    """Enabled (default), or Disabled: no machine may begin to use it, those that do keep what they have. Effective at once."""
    allowed_namespaces: AllowedNamespaces | None = None
    """Who may use it; default the own namespace. Live."""
    template: Template | None = None
    """Values that machines inherit; what neither they nor the template give is the default of VirtualMachine. A change makes a new revision, which reaches a machine when its user restarts it."""
    workload: Workload | None = None
    """What runs inside the guest. A change makes a new revision."""


class PluginStatus(Model):
    """What was observed of the plugin."""

    observed_generation: int | None = None
    """The metadata.generation this status tells of."""
    conditions: Conditions | None = None
    """Ready: machines may use it as it stands."""
    in_use_by: (
        Annotated[list[Reference], Field(max_length=10, json_schema_extra={"x-kubernetes-list-type": "set"})] | None
    ) = None
    """Machines that name it, the first ten as namespace/name; while there are any it cannot be deleted."""
    in_use_count: int | None = None
    """How many machines name it."""
    revision: ObjectName | None = None
    """ControllerRevision that holds what machines which start now inherit."""


class PluginRevision(Model):
    """What a ControllerRevision of a plugin holds: all that decides what a machine inherits."""

    version: Word | None = None
    """Version of what is packaged, for people."""
    template: Template | None = None
    """Values that machines inherit."""
    workload: Workload | None = None
    """What runs inside the guest."""
