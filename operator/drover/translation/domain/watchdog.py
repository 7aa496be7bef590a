"""The watchdog."""

from collections.abc import Iterator

from drover.api.hardware import Watchdog
from drover.state.guest import Blueprint
from drover.translation.xml import Element, element

ACTIONS: dict[Watchdog, str] = {"Reset": "reset", "PowerOff": "poweroff", "Pause": "pause"}


def watchdog(guest: Blueprint) -> Iterator[Element]:
    """Render the watchdog, if the machine asks for one."""
    action = guest.spec.machine.watchdog
    if action is not None:
        yield element("watchdog", model="i6300esb", action=ACTIONS[action])
