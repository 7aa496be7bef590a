"""The screen."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element


def graphics(guest: Blueprint) -> Iterator[Element]:
    """Render the screen and who shows it: on a socket below libvirt's own directory, never on a port."""
    kind = guest.spec.machine.graphics
    if kind == "Headless":
        return
    yield element("graphics", element("listen", type="socket"), type=kind.lower())
    yield element("video", element("model", type="vga" if guest.host.architecture == "x86_64" else "virtio"))


def audio(guest: Blueprint) -> Iterator[Element]:
    """Leave sound out: a screen alone asks for none."""
    if guest.spec.machine.graphics != "Headless":
        yield element("audio", id=1, type="none")
