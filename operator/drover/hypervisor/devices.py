"""Verbs on the hardware of a guest in flight; blocking, see `domain`. Each is done when the guest has it already."""

from pathlib import PurePosixPath

import libvirt
from drover.api.domain import DomainDisk, DomainInterface
from drover.api.hardware import DiskBounds
from drover.errors import Busy, NotReady
from drover.hypervisor.domain import ours
from drover.hypervisor.errors import HypervisorFault, convert, host_trouble
from drover.state.guest import Place
from drover.translation.domain import disks, interfaces
from drover.translation.xml import Element, render

UNPLUG_SECONDS = 2.0
"""How soon to look again whether a guest has let go of a device."""
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


def _active(connection: libvirt.virConnect, uuid: str) -> libvirt.virDomain:
    domain = ours(connection, uuid)
    if domain is None or not domain.isActive():
        raise Busy("the guest has just ended")
    return domain


def set_cores(connection: libvirt.virConnect, uuid: str, cores: int) -> None:
    """Plug processors in."""
    domain = _active(connection, uuid)
    if domain.vcpusFlags(_LIVE) < cores:
        with host_trouble("HotPlugFailed"):
            domain.setVcpusFlags(cores, _LIVE)


def set_memory(connection: libvirt.virConnect, uuid: str, size_bytes: int) -> None:
    """Tell the balloon how much to leave to the guest."""
    with host_trouble("BalloonFailed"):
        _active(connection, uuid).setMemoryFlags(size_bytes >> 10, _LIVE)


def attach_disk(connection: libvirt.virConnect, uuid: str, disk: DomainDisk, place: Place, device: str) -> None:
    """Plug a disk in."""
    domain = _active(connection, uuid)
    if disks.plugged(domain.XMLDesc(), disk.name) is None:
        with host_trouble("HotPlugFailed"):
            domain.attachDeviceFlags(render(disks.rendered(disk, place, device)), _LIVE)


def detach_disk(connection: libvirt.virConnect, uuid: str, name: str) -> None:
    """Ask the guest to let go of a disk; `NotReady` until it has."""
    domain = _active(connection, uuid)
    _unplug(domain, disks.plugged(domain.XMLDesc(), name), f"disk {name}")
    if disks.plugged(domain.XMLDesc(), name) is not None:
        raise _held(f"disk {name}")


def resize_disk(connection: libvirt.virConnect, uuid: str, name: str, size_bytes: int) -> None:
    """Make a disk larger, and never smaller; done if there is none of the name."""
    domain = _active(connection, uuid)
    device = disks.target(domain.XMLDesc(), name)
    if device and domain.blockInfo(device)[0] < size_bytes:
        with host_trouble("GrowFailed"):
            domain.blockResize(device, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


def limit_disk(connection: libvirt.virConnect, uuid: str, name: str, limits: DiskBounds) -> None:
    """Bound a disk's traffic; done if there is none of the name."""
    domain = _active(connection, uuid)
    device = disks.target(domain.XMLDesc(), name)
    if device:
        with host_trouble("LimitFailed"):
            domain.setBlockIoTune(device, disks.bounds(limits), _LIVE)


def set_medium(connection: libvirt.virConnect, uuid: str, name: str, content: PurePosixPath | None) -> None:
    """Change what is in a drive, locked by the guest or not."""
    domain = _active(connection, uuid)
    drive = disks.plugged(domain.XMLDesc(), name)
    changed = None if drive is None else disks.loaded(drive, content)
    if changed is not None:
        with host_trouble("MediumFailed"):
            domain.updateDeviceFlags(changed, _LIVE | libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE)


def attach_interface(connection: libvirt.virConnect, uuid: str, interface: DomainInterface) -> None:
    """Plug an interface in."""
    domain = _active(connection, uuid)
    if interfaces.plugged(domain.XMLDesc(), interface.name) is None:
        with host_trouble("HotPlugFailed"):
            domain.attachDeviceFlags(render(interfaces.rendered(uuid, interface)), _LIVE)


def detach_interface(connection: libvirt.virConnect, uuid: str, name: str) -> None:
    """Ask the guest to let go of an interface; `NotReady` until it has."""
    domain = _active(connection, uuid)
    _unplug(domain, interfaces.plugged(domain.XMLDesc(), name), f"interface {name}")
    if interfaces.plugged(domain.XMLDesc(), name) is not None:
        raise _held(f"interface {name}")


def _unplug(domain: libvirt.virDomain, device: Element | None, what: str) -> None:
    if device is None:
        return
    try:
        domain.detachDeviceFlags(render(device), _LIVE)
    except libvirt.libvirtError as error:
        # It was asked before and has not answered, it is gone by now, or QEMU cannot ask at this moment.
        if not isinstance(convert(error), HypervisorFault):
            raise
        raise _held(what, f": {error}") from error


def _held(what: str, why: str = "") -> NotReady:
    return NotReady(f"the guest has not let go of {what} yet{why}", reason="Unplugging", delay=UNPLUG_SECONDS)
