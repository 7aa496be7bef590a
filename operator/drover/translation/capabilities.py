"""libvirt's capabilities document, read for what a guest of ours needs."""

import re
from typing import cast, get_args

from drover.errors import Unsupported
from drover.state.host import Architecture, Capabilities
from drover.translation.xml import Element, parse, text

FAMILIES: dict[Architecture, re.Pattern[str]] = {
    "x86_64": re.compile(r"^pc-q35-(\d+)\.(\d+)$"),
    "aarch64": re.compile(r"^virt-(\d+)\.(\d+)$"),
}
"""Versioned machine types that guests are pinned to, so that a newer QEMU gives them the same hardware."""


def read(document: str) -> Capabilities:
    """Read what the host offers its own architecture; `Unsupported` when it cannot run a guest of ours."""
    tree = parse(document)
    architecture = _architecture(text(tree, "host/cpu/arch"))
    found = tree.find(f"guest/arch[@name='{architecture}']")
    if found is None:
        raise Unsupported(f"libvirt finds no QEMU for {architecture} on this host")
    kinds = {str(domain.get("type")) for domain in found.iterfind("domain")}
    return Capabilities(architecture, text(found, "emulator"), _machine(found, FAMILIES[architecture]), "kvm" in kinds)


def _architecture(name: str) -> Architecture:
    if name not in get_args(Architecture):
        raise Unsupported(f"no support for hosts of architecture {name or 'unknown'}")
    return cast("Architecture", name)


def _machine(arch: Element, family: re.Pattern[str]) -> str:
    """The newest machine type of the family; libvirt lists them bare and as the canonical name of an alias."""
    listed = [(machine.text or "", str(machine.get("canonical", ""))) for machine in arch.iterfind(".//machine")]
    matches = filter(None, (family.match(name) for pair in listed for name in pair))
    newest = max(matches, key=lambda match: (int(match[1]), int(match[2])), default=None)
    if newest is None:
        raise Unsupported(f"QEMU of this host has no machine type like {family.pattern}")
    return newest[0]
