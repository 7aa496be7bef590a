"""Hypervisor: what one node can do and holds; written by its agent only, called as the node."""

from typing import Annotated, Literal

from pydantic import Field

from drover.api.base import Conditions, Link, Model, Prose, Reference, Word, keyed
from drover.api.hostdevice import DeviceNode
from drover.api.network import NetworkNode
from drover.api.pool import PoolNode


class HypervisorSpec(Model):
    """Nothing is asked of a hypervisor: it reports."""


class Orphan(Model):
    """A guest of ours that no Domain speaks for: it keeps running until somebody decides."""

    uuid: Word
    """libvirt's uuid of it."""
    name: Word
    """libvirt's name: <namespace>.<machine>."""
    epoch: int | None = None
    """Incarnation it was started as."""
    machine_uid: Annotated[Word | None, Field(alias="machineUID")] = None
    """uid of the machine it was."""
    state: Word
    """What it is: Running, Paused or Stopped."""


class HeldImage(Model):
    """A file of an image: in the node's cache, or why it does not get there."""

    image: Reference
    """namespace/name of the VirtualMachineImage that it was fetched for."""
    url: Link
    """Where it came from."""
    access: Literal["Own", "Shared"] = "Own"
    """Shared: the node gives it to any image with this URL; Own: it does not, because it took a Secret or a capture."""
    digest: Word = ""
    """sha256:… of the file as fetched; empty while the node does not have it."""
    checksum: Word = ""
    """The checksum that it was found to have as well, sha512:… if that was asked for."""
    size: int = 0
    """Bytes in the cache."""
    download_size: int | None = None
    """Bytes of the file as fetched."""
    format: Word = ""
    """What a disk was as fetched and unpacked: qcow2, raw, vmdk, vhdx or vdi."""
    virtual_size: int | None = None
    """Bytes a guest sees, of a disk."""
    wanted: Word = ""
    """The checksum that was asked for when it could not be fetched; empty when any would have done."""
    reason: Word = ""
    """Why it could not be fetched at the last try, in one word; empty when nothing is amiss."""
    message: Prose = ""
    """The same for people."""
    stage: Literal["Downloading", "Unpacking", "Converting"] | None = None
    """What is being done to have it, while that takes its time."""
    percent: int | None = None
    """How much of the stage is done; absent when nobody knows."""


class Capacity(Model):
    """What the node has."""

    cores: int
    """Processors."""
    memory_bytes: int
    """Memory."""


class GuestKind(Model):
    """What the node can give guests of one architecture."""

    architecture: Word
    """amd64 or arm64; one that is not the node's own is emulated, where a machine allows it."""
    machine_type: Word
    """Newest board, which new machines get."""
    features: Annotated[list[Word], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})] = []
    """What machines may ask for: BIOS, UEFI, SecureBoot, TPM, VNC, SPICE."""


class HypervisorStatus(Model):
    """What the node can do and holds."""

    boot_id: Annotated[Word | None, Field(alias="bootID")] = None
    """Changes with every boot of the node."""
    architecture: Word | None = None
    """amd64 or arm64."""
    libvirt_version: Word | None = None
    """Version of libvirt."""
    qemu_version: Word | None = None
    """Version of QEMU."""
    accelerator: Literal["KVM", "TCG"] | None = None
    """KVM when a probe guest really booted with it, else TCG: emulation."""
    accelerator_detail: Prose | None = None
    """Why it is so."""
    capacity: Capacity | None = None
    """Processors and memory."""
    guests: Annotated[list[GuestKind], Field(max_length=8, json_schema_extra=keyed("architecture"))] | None = None
    """What it can give guests, by their architecture."""
    hugepages: (
        Annotated[list[Word], Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"})] | None
    ) = None
    """Sizes of huge pages that it has some of."""
    domains: int | None = None
    """Guests of ours that libvirt knows."""
    orphans: Annotated[list[Orphan], Field(max_length=1000, json_schema_extra=keyed("uuid"))] | None = None
    """Guests of ours without a Domain."""
    images: Annotated[list[HeldImage], Field(max_length=500)] | None = None
    """Files of images it holds, and those that it cannot get."""
    pools: Annotated[list[PoolNode], Field(max_length=64, json_schema_extra=keyed("name"))] | None = None
    """Pools as they are here; the name is the pool's."""
    networks: Annotated[list[NetworkNode], Field(max_length=64, json_schema_extra=keyed("name"))] | None = None
    """Networks as they are here; the name is the network's."""
    devices: Annotated[list[DeviceNode], Field(max_length=64, json_schema_extra=keyed("address"))] | None = None
    """Devices that an administrator offers to machines."""
    agent_version: Word | None = None
    """Version of the agent."""
    api_level: int | None = None
    """What the agent expects of the controller; a controller places machines with agents of its own level and of two before."""
    conditions: Conditions | None = None
    """Ready, LibvirtConnected; DevicesUsable, where an administrator offers devices that are here."""
