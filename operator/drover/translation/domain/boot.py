"""How the guest boots: a kernel given to QEMU, or the boot loader of its first disk."""

from collections.abc import Iterator

from drover.errors import Unsupported
from drover.state.guest import Blueprint, Kernel
from drover.translation.xml import Element, element

BOOT_LOADERS = frozenset({"x86_64"})
"""Architectures whose machines start a boot loader without firmware of our choice."""


def system(guest: Blueprint) -> Iterator[Element]:
    """Render the machine type and what it starts."""
    kind = element("type", "hvm", arch=guest.host.architecture, machine=guest.host.machine)
    if guest.files.kernel is not None:
        yield element("os", kind, *_direct(guest.files.kernel))
    elif guest.host.architecture in BOOT_LOADERS:
        yield element("os", kind)
    else:
        raise Unsupported(f"on {guest.host.platform} a machine needs an image with a kernel", reason="KernelRequired")


def _direct(kernel: Kernel) -> Iterator[Element]:
    yield element("kernel", str(kernel.kernel))
    if kernel.initrd is not None:
        yield element("initrd", str(kernel.initrd))
    if kernel.arguments:
        yield element("cmdline", kernel.arguments)
