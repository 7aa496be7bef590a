"""What becomes of the guest when it ends by itself."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element


def lifecycle(guest: Blueprint) -> Iterator[Element]:
    """End QEMU at power-off and panic: the restart policy says what follows. A reboot stays inside."""
    del guest
    yield element("on_poweroff", "destroy")
    yield element("on_reboot", "restart")
    yield element("on_crash", "destroy")


def panic(guest: Blueprint) -> Iterator[Element]:
    """Render the device by which a kernel reports its panic."""
    if guest.host.architecture == "x86_64":
        yield element("panic", model="isa")
