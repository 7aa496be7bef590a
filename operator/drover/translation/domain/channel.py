"""The line to the guest agent inside the guest."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element


def channel(guest: Blueprint) -> Iterator[Element]:
    """Render the channel that qemu-guest-agent looks for."""
    del guest
    yield element("channel", element("target", type="virtio", name="org.qemu.guest_agent.0"), type="unix")
