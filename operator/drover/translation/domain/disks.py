"""Disks and drives."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from drover.api.domain import DomainDisk, DomainMedium
from drover.api.hardware import DiskBounds, DiskBus, DiskCache
from drover.state import devices
from drover.state.guest import BlockDevice, BlockImage, Blueprint, Place, Unit
from drover.translation import ceph, encryption, volume
from drover.translation.xml import Element, attribute, element, number, parse, render

BUSES: dict[DiskBus, str] = {"VirtIO": "virtio", "SCSI": "scsi", "SATA": "sata"}
CACHES: dict[DiskCache, str] = {"WriteBack": "writeback", "WriteThrough": "writethrough", "Unsafe": "unsafe"}
BOUNDS = {
    "total_bytes_sec": "bytes_per_second",
    "total_iops_sec": "iops",
    "total_bytes_sec_max": "burst_bytes_per_second",
    "total_iops_sec_max": "burst_iops",
}
"""libvirt's names of bounds, in its order, and ours."""
LENGTHS = {"total_bytes_sec_max_length": "burst_bytes_per_second", "total_iops_sec_max_length": "burst_iops"}
"""libvirt's names of how long a burst lasts, and the bound that it belongs to."""
SATA_PORTS = 6


def disks(guest: Blueprint) -> Iterator[Element]:
    """Render the disks, then the drives; a full pool pauses the guest instead of failing its writes."""
    spec, files = guest.spec, guest.files
    buses = [disk.hardware.bus for disk in spec.disks] + [_bus(guest, medium) for medium in spec.media]
    named = devices.names(buses)
    wishes = [disk.hardware.boot_order for disk in spec.disks] + [medium.boot_order for medium in spec.media]
    turns = devices.turns(wishes) if guest.files.kernel is None else (0,) * len(wishes)
    for disk, place, device, turn in zip(spec.disks, files.disks, named, turns, strict=False):
        yield rendered(disk, place, device, turn)
    rest = zip(spec.media, files.media, buses[len(spec.disks) :], named[len(spec.disks) :], strict=True)
    for index, (medium, content, bus, device) in enumerate(rest):
        yield _drive(medium, content, (bus, device), turns[len(spec.disks) + index])


def rendered(disk: DomainDisk, place: Place, device: str, turn: int = 0) -> Element:
    """One disk; `turn` is its place among those that may hold a boot loader, 0 for none."""
    hardware = disk.hardware
    cache = {"cache": CACHES[hardware.cache]} if hardware.cache in CACHES else {}
    kind, form, source = _source(disk, place)
    return element(
        "disk",
        element("driver", name="qemu", type=form, **cache, discard="unmap", error_policy="enospace"),
        source,
        element("target", dev=device, bus=BUSES[hardware.bus]),
        *_limits(hardware.limits),
        *_turn(turn),
        *([element("readonly")] if hardware.read_only == "Enabled" else []),
        element("serial", hardware.serial or disk.name),
        element("alias", name=alias(disk.name)),
        *_place(hardware.bus, device),
        type=kind,
        device="disk",
    )


def _source(disk: DomainDisk, place: Place) -> tuple[str, str, Element]:
    """Libvirt's word for where a disk's data is, the format of the data, and the place itself."""
    if isinstance(place, BlockDevice):
        return "block", "raw", element("source", dev=str(place.device))
    if isinstance(place, Unit):
        host = element("host", name=place.target.server, port=place.target.port)
        initiator = element("initiator", element("iqn", name=place.target.initiator))
        return "network", "raw", element("source", host, initiator, protocol="iscsi", name=volume.unit_of(place))
    if isinstance(place, BlockImage):
        return "network", "raw", ceph.disk(place)
    return "file", "qcow2", element("source", *_encryption(disk), file=str(place))


def _encryption(disk: DomainDisk) -> Iterator[Element]:
    """Name the secret of libvirt's that opens a disk: what is in it is nowhere in the document."""
    if disk.key:
        secret = element("secret", type="passphrase", usage=encryption.usage(disk.volume_uid))
        yield element("encryption", secret, format="luks")


def alias(name: str) -> str:
    """Libvirt's name of a disk or drive."""
    return f"ua-disk-{name}"


def has_scsi(guest: Blueprint) -> bool:
    """Tell whether the guest needs a SCSI controller."""
    drives = (_bus(guest, medium) for medium in guest.spec.media)
    return "SCSI" in {*(disk.hardware.bus for disk in guest.spec.disks), *drives}


def bounds(limits: DiskBounds) -> dict[str, int]:
    """Bounds by libvirt's names; 0 is none."""
    found = {name: getattr(limits, ours) or 0 for name, ours in BOUNDS.items()}
    lengths = {name: limits.burst_seconds or 1 for name, ours in LENGTHS.items() if getattr(limits, ours)}
    return found | lengths


def plugged(document: str, name: str) -> Element | None:
    """Find a disk or drive of a guest in flight by its name."""
    for found in parse(document).iterfind("devices/disk"):
        if attribute(found, "alias", "name") == alias(name):
            return found
    return None


def target(document: str, name: str) -> str:
    """Device of a disk of a guest in flight; empty when there is none of the name."""
    found = plugged(document, name)
    return "" if found is None else attribute(found, "target", "dev")


def loaded(drive: Element, content: PurePosixPath | None) -> str | None:
    """The drive of a guest in flight with something else in it; None when it has that already."""
    present = attribute(drive, "source", "file")
    if present == (str(content) if content else ""):
        return None
    for source in drive.findall("source"):
        drive.remove(source)
    if content is not None:
        drive.insert(1, element("source", file=str(content)))
    return render(drive)


def _drive(medium: DomainMedium, content: PurePosixPath | None, plug: tuple[DiskBus, str], turn: int) -> Element:
    bus, device = plug
    return element(
        "disk",
        element("driver", name="qemu", type="raw"),
        *([element("source", file=str(content))] if content else []),
        element("target", dev=device, bus=BUSES[bus]),
        *_turn(turn),
        element("readonly"),
        element("serial", medium.serial or medium.name),
        element("alias", name=alias(medium.name)),
        *_place(bus, device),
        type="file",
        device="cdrom",
    )


def _bus(guest: Blueprint, medium: DomainMedium) -> DiskBus:
    return medium.bus or devices.drive_bus(guest.host.architecture)


def _turn(turn: int) -> Iterator[Element]:
    if turn:
        yield element("boot", order=turn)


def _limits(limits: DiskBounds) -> Iterator[Element]:
    found = [number(name, value) for name, value in bounds(limits).items() if value]
    if found:
        yield element("iotune", *found)


def _place(bus: DiskBus, device: str) -> Iterator[Element]:
    """Say where on its controller a disk is: the letters of SCSI and SATA are shared, their controllers are not."""
    unit = ord(device[-1]) - ord("a")
    if bus == "SCSI":
        yield element("address", type="drive", controller=0, bus=0, target=0, unit=unit)
    if bus == "SATA":
        yield element("address", type="drive", controller=unit // SATA_PORTS, bus=0, target=0, unit=unit % SATA_PORTS)
