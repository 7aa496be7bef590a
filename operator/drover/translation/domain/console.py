"""The serial console, whose output is also kept in a file."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element


def console(guest: Blueprint) -> Iterator[Element]:
    """Render the serial line; its log is appended to, so that cutting the file short cuts it for QEMU too."""
    log = element("log", file=str(guest.files.log), append="on")
    yield element("serial", log, element("target", port=0), type="pty")
    yield element("console", element("target", type="serial", port=0), type="pty")
