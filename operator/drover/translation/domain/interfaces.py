"""Network interfaces."""

from collections.abc import Iterator, Mapping

from drover.api.domain import DomainInterface
from drover.api.interface import InterfaceModel, LinkState
from drover.state.guest import Blueprint
from drover.translation import network
from drover.translation.xml import Element, attribute, element, parse, render

MODELS: Mapping[InterfaceModel, str] = {"VirtIO": "virtio", "E1000E": "e1000e", "RTL8139": "rtl8139"}


def interfaces(guest: Blueprint) -> Iterator[Element]:
    """Render the interfaces in the spec's order; none boots from the network, so none carries a boot ROM."""
    for interface in guest.spec.interfaces:
        yield rendered(guest.spec.uuid, interface)


def rendered(uuid: str, interface: DomainInterface) -> Element:
    """One interface of a guest."""
    return element(
        "interface",
        element("mac", address=interface.mac),
        element("source", network=network.name(interface.network)),
        element("target", dev=network.tap(uuid, interface.name)),
        element("model", type=MODELS[interface.model]),
        *([element("mtu", size=interface.mtu)] if interface.mtu else []),
        element("link", state=interface.link.lower()),
        element("rom", enabled="no"),
        element("alias", name=f"ua-net-{interface.name}"),
        type="network",
    )


def plugged(document: str, name: str) -> Element | None:
    """Find an interface of a guest in flight by its name."""
    for found in parse(document).iterfind("devices/interface"):
        if attribute(found, "alias", "name") == f"ua-net-{name}":
            return found
    return None


def relinked(document: str, mac: str, state: LinkState) -> str | None:
    """The interface of a guest in flight with its cable plugged in or out; None when it is so, or is not there."""
    for found in parse(document).iterfind("devices/interface"):
        if attribute(found, "mac", "address") == mac:
            if (attribute(found, "link", "state") or "up") == state.lower():
                return None
            for link in found.findall("link"):
                found.remove(link)
            found.append(element("link", state=state.lower()))
            return render(found)
    return None
