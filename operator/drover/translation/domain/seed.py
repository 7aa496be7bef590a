"""The seed disk."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.seed import LABEL
from drover.translation.xml import Element, element

LAST = "vdz"
"""After every other disk, so that adding one moves none."""


def seed(guest: Blueprint) -> Iterator[Element]:
    """Render the disk from which cloud-init learns: on virtio, which every cloud kernel has."""
    if guest.files.seed is None:
        return
    yield element(
        "disk",
        element("driver", name="qemu", type="raw"),
        element("source", file=str(guest.files.seed)),
        element("target", dev=LAST, bus="virtio"),
        element("readonly"),
        element("serial", LABEL),
        element("alias", name="ua-seed"),
        type="file",
        device="disk",
    )
