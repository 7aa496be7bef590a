"""The node's devices for guests: what is offered here, who has what, and which ones a start gets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drover.errors import NotReady
from drover.hypervisor.host import Host
from drover.hypervisor.hostdevice import inventory
from drover.planning.hostdevice import Assigned, Choice, Unit, choose, units
from drover.planning.view import DomainView
from drover.state.hostdevice import Claim, Offer

LOOK_SECONDS = 15.0
"""How soon to look again whether a device is free."""


@dataclass(slots=True)
class HostDevices:
    """Devices that an administrator offers; what guests' definitions name is the only account of who has them."""

    host: Host
    sysfs: Path
    offers: Sequence[Offer] = ()
    _choosing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def units(self) -> tuple[Unit, ...]:
        """Find what is offered here; where nothing is, nothing is looked at."""
        return (await self._look())[0] if self.offers else ()

    async def check(self, order: DomainView) -> None:
        """Object to a start that would not get its devices."""
        if order.spec.machine.devices:
            await self._choose(order)

    @asynccontextmanager
    async def chosen(self, order: DomainView) -> AsyncIterator[tuple[Assigned, ...]]:
        """Choose devices for a start; until its definition names them, nobody else chooses."""
        if not order.spec.machine.devices:
            yield ()
            return
        async with self._choosing:
            yield await self._choose(order)

    async def _choose(self, order: DomainView) -> tuple[Assigned, ...]:
        found, claims = await self._look()
        choice: Choice = choose(order.spec.machine.devices, found, order.spec.uuid, claims)
        if choice.reason:
            raise NotReady(choice.message, reason=choice.reason, delay=LOOK_SECONDS)
        return choice.devices

    async def _look(self) -> tuple[tuple[Unit, ...], tuple[Claim, ...]]:
        # Claims first: what a guest that ends meanwhile gives back is seen at the next look.
        claims = await self.host.device_claims()
        return units(await asyncio.to_thread(inventory, self.sysfs), self.offers, claims), claims
