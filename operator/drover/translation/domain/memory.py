"""Memory of the guest, and the balloon that reports what it has."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element, number


def memory(guest: Blueprint) -> Iterator[Element]:
    """Give it all the memory it was booked with."""
    yield number("memory", guest.spec.machine.memory_bytes, unit="bytes")


def balloon(guest: Blueprint) -> Iterator[Element]:
    """Render the balloon: what the guest frees goes back to the host."""
    del guest
    yield element("memballoon", model="virtio", freePageReporting="on")
