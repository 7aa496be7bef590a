"""The guest's clock."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element


def clock(guest: Blueprint) -> Iterator[Element]:
    """Render a clock in UTC; under KVM with the timers that keep time when ticks are lost."""
    if guest.host.accelerator == "KVM" and guest.host.architecture == "x86_64":
        timers = (
            element("timer", name="rtc", tickpolicy="catchup"),
            element("timer", name="pit", tickpolicy="delay"),
            element("timer", name="hpet", present="no"),
        )
        yield element("clock", *timers, offset="utc")
    else:
        yield element("clock", offset="utc")
