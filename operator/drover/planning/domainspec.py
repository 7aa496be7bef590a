"""From a machine to its Domain's spec: everything the node's agent needs, fully resolved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drover.api.domain import (
    Artifact,
    DomainClone,
    DomainDisk,
    DomainImage,
    DomainInterface,
    DomainKernel,
    DomainMedium,
    DomainSpec,
    MachineRef,
)
from drover.api.hardware import Machine
from drover.api.image import ImageSource
from drover.api.virtualmachine import VirtualMachineStatus
from drover.planning import imagesource, names, netconfig, power
from drover.planning.address import Held
from drover.planning.catalog import Catalog
from drover.planning.hardware import EffectiveMedium
from drover.planning.pool import lun
from drover.planning.power import Wish
from drover.planning.resolve import Effective, EffectiveDisk, EffectiveInterface
from drover.planning.view import ImageView, VolumeView
from drover.state.resource import Meta

ARGUMENTS = "console=ttyS0"
"""Kernel command line when neither machine nor image gives one."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a Domain's spec is made of; what is not there yet stays empty, for the preview of a change."""

    machine: Meta
    effective: Effective
    catalog: Catalog
    held: Held
    """Allocations by interface and family."""
    guest: str = ""
    """libvirt's uuid of a guest that was another machine's first."""
    status: VirtualMachineStatus | None = None
    """What is known of the machine's earlier starts."""


def build(parts: Parts, *, node: str, epoch: int, wish: Wish, before: DomainSpec | None = None) -> DomainSpec:
    """Resolve a machine into the spec of its Domain; `before` is the present one, if there is one.

    A file that the present spec names without its machine asking for a checksum keeps what is known of it, so that
    learning an image's digest changes no Domain.
    """
    effective = parts.effective
    interfaces = [_interface(each, parts) for each in effective.interfaces]
    spec = DomainSpec(
        node_name=node,
        node_uid=before.node_uid if before else None,
        virtual_machine=MachineRef(name=parts.machine.key.name, uid=parts.machine.uid),
        uuid=before.uuid if before else parts.guest or parts.machine.uid,
        epoch=epoch,
        power_state=wish.power_state,
        restart_policy=effective.restart_policy,
        termination_grace_period_seconds=effective.grace,
        actor=actor(parts.machine),
        machine=_machine(parts, before),
        kernel=_kernel(parts, before),
        disks=[_disk(disk, parts, before) for disk in effective.disks],
        media=[_medium(medium, parts, before) for medium in effective.media],
        interfaces=interfaces,
        plugin=effective.plugin,
        seed=netconfig.told(effective.seed, interfaces, parts.catalog.networks),
        readiness_probe=effective.probe,
    )
    return power.apply(spec, wish)


def actor(machine: Meta) -> str:
    """Whom a stop is put down to: the field manager that last wrote the machine's spec."""
    return machine.manager[:256]


def settle(spec: DomainSpec, before: DomainSpec) -> DomainSpec:
    """Keep the actor of a spec that asks for nothing new."""
    return before if spec.model_copy(update={"actor": before.actor}) == before else spec


def body(spec: DomainSpec, owner: Mapping[str, object], namespace: str) -> Mapping[str, object]:
    """Build the Domain; `owner` is its ownerReference."""
    machine = spec.virtual_machine.name
    return {
        "metadata": {
            "name": names.domain(machine, spec.epoch),
            "namespace": namespace,
            "labels": {names.LABEL_MACHINE: machine},
            "finalizers": [names.FINALIZER_AGENT],
            "ownerReferences": [owner],
        },
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def _machine(parts: Parts, before: DomainSpec | None) -> Machine:
    """Pin the board that an earlier start chose, unless the spec wants another."""
    wanted, status = parts.effective.machine, parts.status
    resolved = (status.resolved.machine_type if status and status.resolved else None) or ""
    # A board that no start ever chose is not kept: it may be one that the node does not have.
    pin = resolved if before is None or before.machine.machine_type == resolved else ""
    return wanted.model_copy(update={"machine_type": pin}) if is_of(pin, wanted.machine_type) else wanted


def is_of(board: str, wanted: str) -> bool:
    """Tell whether a board is what is wanted: a version, a family, or anything."""
    family = board.removeprefix("pc-").partition("-")[0]
    return bool(board) and wanted in {"", board, family}


def _kernel(parts: Parts, before: DomainSpec | None) -> DomainKernel | None:
    image = parts.catalog.images.get(parts.effective.kernel_image)
    kernel = image.spec.kernel if image else None
    if image is None or kernel is None:
        return None
    known = _known(before)
    arguments = parts.effective.kernel_arguments
    initrd = kernel.initrd
    return DomainKernel(
        image=parts.effective.kernel_image,
        kernel=_artifact(kernel.source, kernel.checksum, image, known),
        initrd=_artifact(initrd.source, initrd.checksum, image, known) if initrd else None,
        arguments=arguments if arguments is not None else kernel.arguments or ARGUMENTS,
    )


def _disk(disk: EffectiveDisk, parts: Parts, before: DomainSpec | None) -> DomainDisk:
    volume = parts.catalog.volumes.get(disk.volume)
    uid = volume.meta.uid if volume else ""
    known = next((each for each in before.disks if each.volume_uid == uid), None) if before else None
    return DomainDisk(
        name=disk.name,
        volume=disk.volume,
        volume_uid=uid,
        pool=disk.pool,
        size_bytes=disk.size,
        image=_image(disk.image, parts, before) or _image_before(disk, before),
        clone=known.clone if known else _clone(disk, parts),
        lun=known.lun if known else _lun(disk, parts),
        key=disk.key,
        data=_data(disk, volume, known),
        hardware=disk.hardware,
    )


def _data(disk: EffectiveDisk, volume: VolumeView | None, known: DomainDisk | None) -> Literal["New", "Seen"]:
    """Tell whether a disk must have data; what a Domain said once stands, unless they went at every stop."""
    if disk.hardware.ephemeral == "Enabled":
        return "New"
    if known is not None and known.hardware.ephemeral == "Disabled":
        return known.data
    return "Seen" if volume and volume.status.capacity is not None else "New"


def _lun(disk: EffectiveDisk, parts: Parts) -> int | None:
    """Find the LUN that a disk is; it stays that, whatever becomes of the pool's list."""
    return lun(parts.catalog.pools.get(disk.pool), parts.machine.key.namespace, disk.volume)


def _clone(disk: EffectiveDisk, parts: Parts) -> DomainClone | None:
    """Say what a volume without data is to be a copy of."""
    origin, volume = parts.catalog.volumes.get(disk.clone), parts.catalog.volumes.get(disk.volume)
    if origin is None or (volume is not None and volume.status.node_name):
        return None
    pool = origin.status.pool or origin.spec.pool or parts.catalog.default_pool
    return DomainClone(volume=disk.clone, volume_uid=origin.meta.uid, pool=pool)


def _medium(medium: EffectiveMedium, parts: Parts, before: DomainSpec | None) -> DomainMedium:
    return DomainMedium(
        name=medium.name,
        bus=medium.bus,
        serial=medium.serial,
        boot_order=medium.boot_order,
        image=_image(medium.image, parts, before),
    )


def _image(name: str, parts: Parts, before: DomainSpec | None) -> DomainImage | None:
    image = parts.catalog.images.get(name)
    if image is None or image.spec.source is None:
        return None
    return DomainImage(image=name, source=_artifact(image.spec.source, image.spec.checksum, image, _known(before)))


def _image_before(disk: EffectiveDisk, before: DomainSpec | None) -> DomainImage | None:
    """Image of a disk whose image is gone: the node's file still lies on it."""
    present = (each for each in before.disks if each.volume == disk.volume) if before else iter(())
    return next((each.image for each in present), None)


def _interface(interface: EffectiveInterface, parts: Parts) -> DomainInterface:
    held = ((family, parts.held.get((interface.name, family))) for family in interface.families)
    found = [(family, each.spec) for family, each in held if each]
    addresses = {family: spec.address or "" for family, spec in found}
    allocated = next((spec.mac_address for _, spec in found), names.mac(parts.machine.uid, interface.name))
    return DomainInterface(
        name=interface.name,
        network=interface.network,
        mac=interface.mac or allocated,
        ip=addresses.get(4, ""),
        ipv6=addresses.get(6, ""),
        address_mode=interface.mode,
        model=interface.model,
        link=interface.link,
        mtu=interface.mtu,
        bytes_per_second=interface.bytes_per_second,
        security_groups=list(interface.groups),
    )


def _known(before: DomainSpec | None) -> dict[str, Artifact]:
    if before is None:
        return {}
    kernel = (before.kernel.kernel, before.kernel.initrd) if before.kernel else ()
    images = [disk.image for disk in before.disks] + [medium.image for medium in before.media]
    artifacts = (*(image.source for image in images if image), *kernel)
    return {artifact.url: artifact for artifact in artifacts if artifact}


def _artifact(source: ImageSource, asked: str | None, image: ImageView, known: Mapping[str, Artifact]) -> Artifact:
    url, checksum = imagesource.address(source, imagesource.kept(image)), imagesource.checksum(source, asked)
    if checksum is None and url in known:
        checksum = known[url].checksum
    elif checksum is None:
        checksum = {file.url: file.digest for file in image.status.files or []}.get(url)
    kind: Literal["ISO"] | None = "ISO" if image.spec.type == "ISO" else None
    return Artifact(url=url, checksum=checksum, type=kind, secret=imagesource.secret(source))
