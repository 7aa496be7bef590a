"""Memory of the guest, and the balloon that reports what it has."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.capabilities import PAGES
from drover.translation.xml import Element, element, number


def memory(guest: Blueprint) -> Iterator[Element]:
    """Give it all the memory that was booked; the balloon keeps what is above its size."""
    machine = guest.spec.machine
    most = max(machine.memory_bytes, machine.max_memory_bytes or 0)
    yield number("memory", most, unit="bytes")
    if most != machine.memory_bytes:
        yield number("currentMemory", machine.memory_bytes, unit="bytes")


def backing(guest: Blueprint) -> Iterator[Element]:
    """Render the pages that the memory is made of, unless they are ordinary ones."""
    if guest.spec.machine.hugepages:
        size = PAGES[guest.spec.machine.hugepages]
        yield element("memoryBacking", element("hugepages", element("page", size=size, unit="KiB")))


def balloon(guest: Blueprint) -> Iterator[Element]:
    """Render the balloon: what the guest frees goes back to the host."""
    del guest
    yield element("memballoon", model="virtio", freePageReporting="on")
