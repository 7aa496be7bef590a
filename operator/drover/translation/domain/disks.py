"""Disks."""

from collections.abc import Iterator
from string import ascii_lowercase

from drover.state.guest import Blueprint
from drover.translation.xml import Element, attribute, element, parse


def disks(guest: Blueprint) -> Iterator[Element]:
    """Render the disks in boot order; a full pool pauses the guest instead of failing its writes."""
    for index, (disk, path) in enumerate(zip(guest.spec.disks, guest.files.disks, strict=True)):
        yield element(
            "disk",
            element("driver", name="qemu", type="qcow2", discard="unmap", error_policy="enospace"),
            element("source", file=str(path)),
            element("target", dev=f"vd{ascii_lowercase[index]}", bus="virtio"),
            *_boot_order(guest, index),
            element("serial", disk.name),
            element("alias", name=f"ua-disk-{disk.name}"),
            type="file",
            device="disk",
        )


def target(document: str, disk: str) -> str:
    """Device of a disk of a guest, from its XML; empty when there is none of the name."""
    for found in parse(document).iterfind("devices/disk"):
        if attribute(found, "alias", "name") == f"ua-disk-{disk}":
            return attribute(found, "target", "dev")
    return ""


def _boot_order(guest: Blueprint, index: int) -> Iterator[Element]:
    if guest.files.kernel is None:
        yield element("boot", order=index + 1)
