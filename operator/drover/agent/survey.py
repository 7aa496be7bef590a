"""The slow look at everything libvirt has: finds what events did not tell, and guests no Domain speaks for."""

import asyncio
from collections.abc import Callable, Mapping

from drover.agent.orders import Orders
from drover.api.hypervisor import Orphan
from drover.hypervisor.host import Host
from drover.planning.orphan import orphans
from drover.runtime.patience import patiently
from drover.state.guest import Guest, Record
from drover.state.resource import Key

LOOK_SECONDS = 60.0
RETRY_SECONDS = 1.0
TRIM_SECONDS = 5.0


class Survey:
    """What libvirt had at the latest look; `wake` is called with Domains whose guest is not as it was last seen."""

    def __init__(self, host: Host, orders: Orders, *, wake: Callable[[Key], None], changed: Callable[[], None]) -> None:
        self._host = host
        self._orders = orders
        self._wake = wake
        self._changed = changed
        self._guests: dict[str, Guest] = {}
        self.looked = False

    @property
    def names(self) -> Mapping[str, str]:
        """Uuids by libvirt's name."""
        return {guest.name: uuid for uuid, guest in self._guests.items()}

    @property
    def count(self) -> int:
        """Guests of ours."""
        return len(self._guests)

    @property
    def running(self) -> frozenset[str]:
        """Uuids of the guests that have a QEMU process."""
        return frozenset(uuid for uuid, guest in self._guests.items() if guest.active)

    def record(self, uuid: str) -> Record | None:
        """Record of a guest as it was last seen."""
        guest = self._guests.get(uuid)
        return guest.record if guest else None

    @property
    def orphans(self) -> tuple[Orphan, ...] | None:
        """Guests for which no Domain speaks; None while that is not known, as before the API server was read."""
        return orphans(self._guests.values(), self._orders.epochs()) if self._orders.primed and self.looked else None

    def saw(self, uuid: str, guest: Guest | None) -> None:
        """Take in one guest as it was just looked at."""
        before = self._guests.get(uuid)
        if guest is None:
            self._guests.pop(uuid, None)
        else:
            self._guests[uuid] = guest
        if (before is None) is not (guest is None):
            self._changed()

    async def look(self) -> None:
        """Look at all guests."""
        found = {guest.uuid: guest for guest in await self._host.guests()}
        for uuid in {*found, *self._guests}:
            key = self._orders.speaks_for(uuid)
            if key is not None and _outline(found.get(uuid)) != _outline(self._guests.get(uuid)):
                self._wake(key)
        self._guests = found
        self.looked = True
        self._changed()

    async def run(self) -> None:
        """Look again and again until cancelled, at once after each connect."""
        while True:
            await self._host.wait_connected()
            await patiently("look at the guests", self.look)
            await asyncio.sleep(LOOK_SECONDS)

    async def trim(self) -> None:
        """Keep the serial logs short until cancelled."""
        while True:
            await asyncio.sleep(TRIM_SECONDS)
            await patiently("trim the serial logs", self._host.trim_logs)


def _outline(guest: Guest | None) -> tuple[object, ...]:
    """What others than we change of a guest."""
    return () if guest is None else (guest.state, guest.reason, guest.persistent, guest.has_managed_save)
