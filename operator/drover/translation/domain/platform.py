"""What the board offers: interrupts and power, slots and buses, no USB."""

from collections.abc import Iterator

from drover.state.devices import SPARE_PORTS
from drover.state.guest import Blueprint
from drover.translation.domain import hostdevices
from drover.translation.domain.boot import has_uefi
from drover.translation.domain.disks import has_scsi
from drover.translation.xml import Element, element

OWN_PORTS = 3
"""Slots that every guest needs for itself: serial lines, balloon, randomness."""


def features(guest: Blueprint) -> Iterator[Element]:
    """Render ACPI, by which a guest hears of a shutdown request and which arm64 has only with UEFI, and interrupts."""
    interrupts = element("apic") if guest.host.architecture == "x86_64" else element("gic")
    secure = [element("smm", state="on")] if guest.spec.machine.secure_boot == "Enabled" else []
    power = [element("acpi")] if guest.host.architecture == "x86_64" or has_uefi(guest) else []
    yield element("features", *power, interrupts, *secure)


def power_management(guest: Blueprint) -> Iterator[Element]:
    """Offer no sleep: a guest that sleeps is neither running nor off, and nothing here would wake it."""
    if guest.host.architecture == "x86_64":
        off = (element("suspend-to-mem", enabled="no"), element("suspend-to-disk", enabled="no"))
        yield element("pm", *off)


def buses(guest: Blueprint) -> Iterator[Element]:
    """Leave the USB controller out, have SCSI where it is used, and slots for what may be plugged in later."""
    yield element("controller", type="usb", model="none")
    if has_scsi(guest):
        yield element("controller", type="scsi", index=0, model="virtio-scsi")
    yield element("controller", type="pci", index=0, model="pcie-root")
    for index in range(1, _ports(guest) + 1):
        yield element("controller", type="pci", index=index, model="pcie-root-port")


def _ports(guest: Blueprint) -> int:
    """Slots for everything that is there, and some more: libvirt fills them in order."""
    virtio = sum(disk.hardware.bus == "VirtIO" for disk in guest.spec.disks)
    screen = guest.host.architecture == "aarch64" and guest.spec.machine.graphics != "Headless"
    watchdog = guest.spec.machine.watchdog is not None
    seed = guest.files.seed is not None
    extra = has_scsi(guest) + screen + watchdog + seed + hostdevices.count(guest)
    return virtio + len(guest.spec.interfaces) + OWN_PORTS + extra + SPARE_PORTS
