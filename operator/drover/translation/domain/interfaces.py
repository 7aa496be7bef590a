"""Network interfaces."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation import network
from drover.translation.xml import Element, element


def interfaces(guest: Blueprint) -> Iterator[Element]:
    """Render the interfaces in the spec's order; none boots from the network, so none carries a boot ROM."""
    for interface in guest.spec.interfaces:
        yield element(
            "interface",
            element("mac", address=interface.mac),
            element("source", network=network.name(interface.network)),
            element("model", type="virtio"),
            element("rom", enabled="no"),
            element("alias", name=f"ua-net-{interface.name}"),
            type="network",
        )
