"""libvirt's capabilities document, read for what a guest of ours needs."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import cast, get_args

from drover.api.hardware import Graphics, PageSize
from drover.errors import Unsupported
from drover.state.host import Architecture, Board, Capabilities, GuestSupport
from drover.translation.xml import Element, parse, text

FAMILIES: dict[Architecture, re.Pattern[str]] = {
    "x86_64": re.compile(r"^pc-q35-(\d+)\.(\d+)$"),
    "aarch64": re.compile(r"^virt-(\d+)\.(\d+)$"),
}
"""Versioned machine types that guests are pinned to, so that a newer QEMU gives them the same hardware."""


PAGES: dict[PageSize, int] = {"2Mi": 2 << 10, "1Gi": 1 << 20}
"""Sizes of huge pages in KiB."""
SCREENS: dict[Graphics, str] = {"VNC": "vnc", "SPICE": "spice"}


def read(document: str) -> Capabilities:
    """Read what the host offers its own architecture; `Unsupported` when it cannot run a guest of ours."""
    tree = parse(document)
    architecture = _architecture(text(tree, "host/cpu/arch"))
    found = tree.find(f"guest/arch[@name='{architecture}']")
    if found is None:
        raise Unsupported(f"libvirt finds no QEMU for {architecture} on this host")
    kinds = {str(domain.get("type")) for domain in found.iterfind("domain")}
    guests = sorted(_guests(tree), key=lambda each: each.architecture != architecture)
    return Capabilities(
        architecture, text(found, "emulator"), _newest(found, FAMILIES[architecture]), "kvm" in kinds, tuple(guests)
    )


def hugepages(document: str) -> frozenset[PageSize]:
    """Sizes of huge pages of which the host has some."""
    pages = parse(document).iterfind("host/topology/cells/cell/pages[@unit='KiB']")
    found = {str(each.get("size")) for each in pages if int(each.text or 0) > 0}
    return frozenset(size for size, kib in PAGES.items() if str(kib) in found)


def _guests(tree: Element) -> Iterator[GuestSupport]:
    """Architectures of which this host has an emulator with a board of our kind."""
    for name, family in FAMILIES.items():
        found = tree.find(f"guest/arch[@name='{name}']")
        boards = _boards(found, family) if found is not None else {}
        if found is not None and boards:
            yield GuestSupport(name, text(found, "emulator"), max(boards, key=boards.__getitem__), frozenset(boards))


def supported(guest: GuestSupport, document: str) -> GuestSupport:
    """Add what libvirt's document on one kind of guest tells: firmware, TPM, screens, processors."""
    tree = parse(document)
    offered = frozenset(_values(tree, "devices/graphics/enum[@name='type']"))
    named = tree.iterfind("cpu/mode[@name='custom']/model")
    return replace(
        guest,
        firmware=frozenset(_firmware(tree, guest)),
        tpm="emulator" in _values(tree, "devices/tpm/enum[@name='backendModel']"),
        graphics=frozenset(kind for kind, name in SCREENS.items() if name in offered) | {"Headless"},
        # Of processors of arm64 libvirt does not know whether QEMU can: that is seen at the start.
        processors=frozenset(each.text or "" for each in named if each.get("usable") != "no"),
    )


def _firmware(tree: Element, guest: GuestSupport) -> Iterator[Board]:
    if guest.architecture == "x86_64":
        yield "BIOS"
    if "efi" in _values(tree, "os/enum[@name='firmware']"):
        yield "UEFI"
        if "yes" in _values(tree, "os/loader/enum[@name='secure']"):
            yield "SecureBoot"


def _values(tree: Element, path: str) -> list[str]:
    return [each.text or "" for each in tree.iterfind(f"{path}/value")]


def _architecture(name: str) -> Architecture:
    if name not in get_args(Architecture):
        raise Unsupported(f"no support for hosts of architecture {name or 'unknown'}")
    return cast("Architecture", name)


def _boards(arch: Element, family: re.Pattern[str]) -> dict[str, tuple[int, int]]:
    """Boards of a family and their versions; libvirt lists them bare and as the canonical name of an alias."""
    listed = [(machine.text or "", str(machine.get("canonical", ""))) for machine in arch.iterfind(".//machine")]
    matches = filter(None, (family.match(name) for pair in listed for name in pair))
    return {match[0]: (int(match[1]), int(match[2])) for match in matches}


def _newest(arch: Element, family: re.Pattern[str]) -> str:
    boards = _boards(arch, family)
    if not boards:
        raise Unsupported(f"QEMU of this host has no machine type like {family.pattern}")
    return max(boards, key=boards.__getitem__)
