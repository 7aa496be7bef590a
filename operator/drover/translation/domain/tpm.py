"""The TPM."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element, parse


def tpm(guest: Blueprint) -> Iterator[Element]:
    """Render an emulated TPM 2.0, if asked for; libvirt keeps its content until the guest is undefined."""
    if guest.spec.machine.tpm == "Enabled":
        model = "tpm-crb" if guest.host.architecture == "x86_64" else "tpm-tis"
        yield element("tpm", element("backend", type="emulator", version="2.0"), model=model)


def has_tpm(document: str) -> bool:
    """Tell whether a guest has one: libvirt deletes the content only of what it finds in the definition."""
    return parse(document).find("devices/tpm") is not None
