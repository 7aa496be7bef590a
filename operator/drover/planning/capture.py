"""Captured images: what stands in the way of a capture, which node makes it, and who may let its data go."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drover.api.image import ImageCapture
from drover.api.kinds import VIRTUALMACHINE, VOLUME, Kind
from drover.planning import names, power
from drover.planning.catalog import Catalog
from drover.planning.conditions import Finding
from drover.planning.hardware import is_drive
from drover.planning.pool import is_shared
from drover.planning.view import DomainView, ImageView, MachineView, PoolView, VolumeView
from drover.state.resource import Key

POOLS = frozenset({"Directory", "NFS"})
"""Types of pools that keep volumes as files: only there an image is kept."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What an image is to be captured from, as far as it is there."""

    name: str = ""
    """Name of the volume; empty when the machine that is to be captured has no disk."""
    volume: VolumeView | None = None
    users: Sequence[DomainView] = ()
    """Domains that name the volume, or whose guests have it open."""
    pool: PoolView | None = None
    """Its pool."""
    machine: MachineView | None = None
    """The machine whose first disk is captured, laid over its plugin."""


@dataclass(frozen=True, slots=True)
class Capture:
    """How far the capture of an image is."""

    node: str | None = None
    """Node that is to make it, or keeps it."""
    place: ImageCapture | None = None
    """What it is made from and where it is kept."""
    outlook: Finding | None = None
    """What is said of it as long as no node holds it."""


def is_captured(image: ImageView) -> bool:
    """Tell whether an image is made here, not fetched."""
    source = image.spec.source
    return source is not None and bool(source.volume or source.virtual_machine)


def is_sealed(image: ImageView) -> bool:
    """Tell whether what makes a guest one of its kind is to be taken out of an image."""
    source = image.spec.source
    origin = source and (source.virtual_machine or source.volume)
    return bool(origin and origin.seal == "Enabled")


def is_whole(image: ImageView) -> bool:
    """Tell whether a capture was made: from then on its origin does not matter."""
    return image.status.capture is not None and image.status.digest is not None


def origin(image: ImageView) -> tuple[Kind, Key] | None:
    """What an image is still to be captured from; None when it is nothing, or needed no more."""
    source, namespace = image.spec.source, image.meta.key.namespace
    if source is None or is_whole(image):
        return None
    if source.virtual_machine:
        return VIRTUALMACHINE, Key(namespace, source.virtual_machine.name)
    return (VOLUME, Key(namespace, source.volume.name)) if source.volume else None


def first_volume(machine: MachineView) -> str:
    """Name of the volume of a machine's first disk; empty when it has none."""
    disks = (disk for disk in machine.spec.disks or [] if not is_drive(disk))
    return next((disk.volume or names.volume(machine.meta.key.name, disk.name) for disk in disks), "")


def capture(image: ImageView, origin: Origin, sharers: Sequence[str] = ()) -> Capture:
    """Say how an image comes to be, and where; `sharers` are the nodes that see what its pool holds, if several do."""
    status = image.status
    if image.meta.deleting or is_whole(image):
        node = _keeper(status.node_name, sharers)
        return Capture(node, status.capture, Finding("Ready", "Unknown", "NotReported", f"{node} does not report it"))
    obstacle = _machine_obstacle(image, origin) or _obstacle(origin)
    volume, pool = origin.volume, origin.pool
    place = _place(volume, pool) if obstacle is None and volume is not None and pool is not None else None
    if status.capture is not None and status.node_name and not _again(image, origin, place):
        words = f"{status.node_name} captures {status.capture.volume}"
        return Capture(status.node_name, status.capture, obstacle or Finding("Ready", "Unknown", "Capturing", words))
    if place is None or volume is None:
        return Capture(status.node_name, status.capture, obstacle)
    node = volume.status.node_name
    return Capture(node, place, Finding("Ready", "Unknown", "Capturing", f"{node} captures {place.volume}"))


def kept_in(images: Iterable[ImageView]) -> set[str]:
    """Names of the pools that keep images."""
    return {image.status.capture.pool for image in images if image.status.capture}


def keeper(image: ImageView | None, catalog: Catalog) -> str:
    """Node without which nothing starts from an image: the only one that has its data; empty when there is none."""
    found = image.status.capture if image else None
    if image is None or found is None or is_shared(catalog.pools.get(found.pool)):
        return ""
    return image.status.node_name or ""


def unready(image: ImageView | None) -> str:
    """Say why nothing can start yet from an image that is captured; empty when nothing speaks against it."""
    if image is None or not is_captured(image):
        return ""
    name = image.meta.key.name
    if image.meta.deleting:
        return f"VirtualMachineImage {name} is being deleted"
    return "" if is_whole(image) else f"VirtualMachineImage {name} is not captured yet"


def forsaken(image: ImageView, *, gone: bool = False) -> bool:
    """Tell whether nobody but us can let an image go: no node began to capture it, or the one that did is `gone`."""
    meta = image.meta
    going = bool(meta.deleting) and names.FINALIZER_IMAGE in meta.finalizers
    return going and (gone or not image.status.node_name)


def _keeper(node: str | None, sharers: Sequence[str]) -> str | None:
    """Node that looks after an image: of several that see its data another one, when the first is not heard."""
    return sharers[0] if sharers and node not in sharers else node


def _again(image: ImageView, origin: Origin, place: ImageCapture | None) -> bool:
    """Tell whether a capture that has not come about is to be made of another volume of that name on the same node."""
    volume = origin.volume
    return place not in {None, image.status.capture} and bool(
        volume and volume.status.node_name == image.status.node_name
    )


def _place(volume: VolumeView, pool: PoolView) -> ImageCapture:
    return ImageCapture.model_validate(
        {"volume": volume.meta.key.name, "volumeUID": volume.meta.uid, "pool": pool.meta.key.name}
    )


def _machine_obstacle(image: ImageView, origin: Origin) -> Finding | None:
    """Find out why the disk of a machine cannot be captured now."""
    source, machine = image.spec.source, origin.machine
    if source is None or source.virtual_machine is None:
        return None
    name = source.virtual_machine.name
    if machine is None:
        return _no("VirtualMachineNotFound", f"there is no VirtualMachine {name} in this namespace")
    if machine.meta.deleting:
        return _no("VirtualMachineTerminating", f"VirtualMachine {name} is being deleted")
    if not origin.name:
        return _no("NoDisk", f"VirtualMachine {name} has no disk")
    if machine.spec.power_state != "Stopped" or not all(map(_is_at_rest, origin.users)):
        return _no("MachineRunning", f"VirtualMachine {name} is not stopped: it is captured when it is")
    return None


def _obstacle(origin: Origin) -> Finding | None:
    """Find out why a volume cannot be captured now."""
    name, volume, pool = origin.name, origin.volume, origin.pool
    if volume is None:
        return _no("VolumeNotFound", f"there is no StorageVolume {name} in this namespace")
    if volume.meta.deleting:
        return _no("VolumeTerminating", f"StorageVolume {name} is being deleted")
    if not volume.status.node_name:
        return _no("VolumeNotBound", f"StorageVolume {name} has no data: no machine has used it")
    if volume.spec.encryption:
        return _no("SourceEncrypted", f"StorageVolume {name} is encrypted, and encrypted volumes are not captured")
    if pool is None:
        return _no("PoolNotFound", f"the pool of StorageVolume {name} does not exist")
    if pool.spec.type not in POOLS:
        words = f"StorageVolume {name} is in pool {pool.meta.key.name} of type {pool.spec.type}"
        return _no("Unsupported", f"{words}: images are captured in pools of type {' and '.join(sorted(POOLS))}")
    user = next((each for each in origin.users if not _is_at_rest(each)), None)
    if user is not None:
        machine = user.spec.virtual_machine.name
        words = f"StorageVolume {name} is in use by VirtualMachine {machine}, which is {_state(user)}"
        return _no("VolumeInUse", f"{words}: it is captured when that is stopped")
    return None


def _is_at_rest(domain: DomainView) -> bool:
    """Tell whether a guest is off without anything of it being saved: then its disks are as it left them."""
    return power.is_off(domain) and not power.saves_memory(domain)


def _state(domain: DomainView) -> str:
    return (domain.status.state or "Pending").lower()


def _no(reason: str, message: str) -> Finding:
    return Finding("Ready", "False", reason, message)
