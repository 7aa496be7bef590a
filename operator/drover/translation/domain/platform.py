"""What the board offers: interrupts and power, no USB, no screen."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element


def features(guest: Blueprint) -> Iterator[Element]:
    """Render ACPI, by which a guest hears of a shutdown request, and the interrupt controller."""
    interrupts = element("apic") if guest.host.architecture == "x86_64" else element("gic")
    yield element("features", element("acpi"), interrupts)


def power_management(guest: Blueprint) -> Iterator[Element]:
    """Offer no sleep: a guest that sleeps is neither running nor off, and nothing here would wake it."""
    if guest.host.architecture == "x86_64":
        off = (element("suspend-to-mem", enabled="no"), element("suspend-to-disk", enabled="no"))
        yield element("pm", *off)


def buses(guest: Blueprint) -> Iterator[Element]:
    """Leave the USB controller out."""
    del guest
    yield element("controller", type="usb", model="none")
