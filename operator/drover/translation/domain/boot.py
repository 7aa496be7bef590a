"""How the guest boots: its firmware, and a kernel given to QEMU or the boot loader of its first disk."""

from collections.abc import Iterator

from drover.state.guest import Blueprint, Kernel
from drover.translation.xml import Element, attribute, element, parse


def system(guest: Blueprint) -> Iterator[Element]:
    """Render the machine type, its firmware and what it starts."""
    kind = element("type", "hvm", arch=guest.host.architecture, machine=guest.host.machine)
    kernel = _direct(guest.files.kernel) if guest.files.kernel is not None else ()
    if not has_uefi(guest):
        yield element("os", kind, *kernel)
    else:
        yield element("os", kind, *_firmware(guest), *kernel, firmware="efi")


def has_uefi(guest: Blueprint) -> bool:
    """Tell whether it starts with UEFI: when asked to, and on arm64, which has nothing else, unless given a kernel."""
    asked = guest.spec.machine.firmware
    return asked == "UEFI" or (asked is None and guest.host.architecture == "aarch64" and guest.files.kernel is None)


def _firmware(guest: Blueprint) -> Iterator[Element]:
    """Have libvirt choose among the firmware of the host by what it must be able to do."""
    secure = guest.spec.machine.secure_boot == "Enabled"
    if guest.host.architecture == "x86_64":
        enabled = "yes" if secure else "no"
        switches = (element("feature", enabled=enabled, name=name) for name in ("enrolled-keys", "secure-boot"))
        yield element("firmware", *switches)
    if secure:
        yield element("loader", secure="yes")


def _direct(kernel: Kernel) -> Iterator[Element]:
    yield element("kernel", str(kernel.kernel))
    if kernel.initrd is not None:
        yield element("initrd", str(kernel.initrd))
    if kernel.arguments:
        yield element("cmdline", kernel.arguments)


def has_variables(document: str) -> bool:
    """Tell whether a guest keeps variables of its firmware in a file, as it may without its XML naming the file."""
    system = parse(document).find("os")
    return system is not None and (system.get("firmware") == "efi" or system.find("nvram") is not None)


def firmware(document: str) -> tuple[str, str]:
    """What variables are made for: the kind of firmware, and whether it is to start only what is signed."""
    tree = parse(document)
    return attribute(tree, "os", "firmware"), attribute(tree, "os/firmware/feature[@name='secure-boot']", "enabled")
