"""Devices of the node that the guest has for itself."""

from collections.abc import Iterator
from itertools import chain

from drover.state.guest import Blueprint
from drover.translation.xml import Element, attribute, element, parse

PREFIX = "ua-device-"
PARTS = ("domain", "bus", "slot", "function")


def hostdevices(guest: Blueprint) -> Iterator[Element]:
    """Render the devices; managed: libvirt takes them from their drivers, and gives them back when the guest ends."""
    for name, members in guest.devices:
        for index, address in enumerate(members):
            yield _device(address, f"{PREFIX}{name}{f'_{index}' if index else ''}")


def count(guest: Blueprint) -> int:
    """How many slots they take."""
    return len(list(chain.from_iterable(members for _, members in guest.devices)))


def passed(document: str) -> tuple[tuple[str, str], ...]:
    """Read what a guest's document names: address of each, and the machine's name of the device it came with."""
    found = parse(document).iterfind("devices/hostdev[@type='pci']")
    return tuple((_address(each), _name(attribute(each, "alias", "name"))) for each in found)


def _device(address: str, alias: str) -> Element:
    domain, bus, rest = address.split(":")
    slot, function = rest.split(".")
    place = dict(zip(PARTS, (f"0x{part}" for part in (domain, bus, slot, function)), strict=True))
    return element(
        "hostdev",
        element("driver", name="vfio"),
        element("source", element("address", **place)),
        element("alias", name=alias),
        mode="subsystem",
        type="pci",
        managed="yes",
    )


def _address(device: Element) -> str:
    domain, bus, slot, function = (int(attribute(device, "source/address", part) or "0", 16) for part in PARTS)
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _name(alias: str) -> str:
    return alias.removeprefix(PREFIX).partition("_")[0] if alias.startswith(PREFIX) else ""
