"""The effective spec of a machine, as its status shows it whole."""

from typing import Annotated, Literal

from pydantic import Field

from drover.api.base import Model, ObjectName, Prose, ShortName, Word, keyed
from drover.api.probe import ReadinessProbe

RestartPolicy = Literal["Always", "OnFailure", "Never"]
ReclaimPolicy = Literal["Delete", "Retain"]


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
    encryption: Word | None = None
    """Secret <name>/<key> that holds its passphrase; absent: it is not encrypted."""
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
    architecture: Word | None = None
    """Architecture it was started with, or is to have."""
    machine_type: Word | None = None
    """Board it was first started with: it stays until the spec names another."""
    cpu_model: Word | None = None
    """What the guest sees of the processor."""
    firmware: Word | None = None
    """BIOS or UEFI."""
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
