"""What libvirt is told of QEMU so that it asks for less."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"


def quirks(guest: Blueprint) -> Iterator[Element]:
    """Spare an emulated processor libvirt's question for each of its features: see ADR 0010."""
    if guest.host.accelerator == "TCG" and guest.host.architecture == "x86_64":
        yield element(f"{QEMU}capabilities", element(f"{QEMU}del", capability="cpu-unavailable-features"))
