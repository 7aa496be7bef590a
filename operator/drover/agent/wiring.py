"""How the guests here are wired: the packet filter of each interface and its cable, kept as ordered while they run."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from drover.agent.orders import Orders
from drover.agent.survey import Survey
from drover.api.domain import DomainInterface, LiveMachine
from drover.api.interface import LinkState
from drover.errors import OperatorError, Unsupported
from drover.hypervisor.host import Host
from drover.hypervisor.wires import Wires
from drover.planning.firewall import in_flight, port
from drover.planning.view import DomainView
from drover.runtime.patience import patiently
from drover.state.firewall import Port
from drover.state.resource import Key
from drover.translation.network import tap

log = structlog.stdlib.get_logger(__name__)
CHECK_SECONDS = 60.0
"""How often the node's filters are looked at: somebody may have thrown them away."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """One interface as it should be."""

    interface: str
    """Its host side."""
    port: Port
    mac: str
    link: LinkState


@dataclass(slots=True)
class Cabling:
    """All interfaces here; a restart of the agent forgets what it put up, and puts it up again."""

    host: Host
    wires: Wires
    orders: Orders
    survey: Survey
    wake: Callable[[Key], None]
    address: str
    """Of this node."""
    _known: dict[str, Wiring] = field(default_factory=dict)

    def stands(self, order: DomainView, live: LiveMachine | None) -> bool:
        """Whether a guest's interfaces are as ordered; `live` is what it was started with, None when it is off."""
        return all(self._known.get(each.interface) == each for each in self._wanted(order, live))

    async def set(self, order: DomainView, live: LiveMachine | None) -> None:
        """Make a guest's interfaces as ordered; of one that is off only the filters: they are there before it.

        One that cannot be made so holds up none of the others.
        """
        failed: OperatorError | None = None
        for each in self._wanted(order, live):
            try:
                await self._connect(order.spec.uuid, each, has_cable=live is not None)
            except OperatorError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    async def guard(self, order: DomainView, live: LiveMachine, name: str) -> None:
        """Have the packet filter of an interface that a guest in flight is about to get."""
        for each in self._wanted(order, live):
            if each.interface == tap(order.spec.uuid, name):
                await self._connect(order.spec.uuid, each, has_cable=True)

    async def _connect(self, uuid: str, wanted: Wiring, *, has_cable: bool) -> None:
        known = self._known.get(wanted.interface)
        if known is None or known.port != wanted.port:
            await self.wires.guard(wanted.interface, wanted.port)
        if has_cable and (known is None or known.link != wanted.link):
            await self.host.set_link(uuid, wanted.mac, wanted.link)
        self._known[wanted.interface] = wanted

    async def remove(self, uuid: str, interface: DomainInterface) -> None:
        """Take the filter of an interface down."""
        await self._remove(tap(uuid, interface.name))

    async def run(self) -> None:
        """Look at the filters again and again until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await patiently("look at the packet filters", self.check)

    async def check(self) -> None:
        """Find filters that somebody threw away, and those whose guests are gone."""
        present, expected = await self.wires.guarded(), dict(self.orders.taps())
        for interface in self._known.keys() - present:
            log.warning("a packet filter was gone", interface=interface)
            del self._known[interface]
            if interface in expected:
                self.wake(expected[interface])
        # A guest for which no Domain speaks keeps its filter.
        if self.orders.primed and self.survey.orphans == ():
            for interface in sorted(present - expected.keys() - self.orders.trunks()):
                # As long as a guest has it plugged in, it is filtered, whatever is known of it.
                if not self.wires.has_device(interface):
                    await self._remove(interface)

    async def _remove(self, interface: str) -> None:
        self._known.pop(interface, None)
        # Where there is no nft, there is no filter that it put up.
        with suppress(Unsupported):
            await self.wires.unguard(interface)

    def _wanted(self, order: DomainView, live: LiveMachine | None) -> Iterator[Wiring]:
        groups = self.orders.groups(order.meta.key.namespace)
        for each in in_flight(order.spec.interfaces, live):
            network = self.orders.network(each.network)
            # macvtap passes by the bridge and its filters.
            if network is not None and network.spec.type != "Direct":
                filtered = port(each, network.spec, groups, self.address)
                yield Wiring(tap(order.spec.uuid, each.name), filtered, each.mac, each.link)
