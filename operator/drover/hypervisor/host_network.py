"""Verbs on networks, a part of `host`: `network` is the VirtualNetwork's name."""

import asyncio
from collections import defaultdict
from pathlib import Path

from drover.api.network import VirtualNetworkSpec
from drover.hypervisor import network as networks
from drover.hypervisor.connection import Connection
from drover.hypervisor.leases import Leases
from drover.state.host import NetworkFacts, Reservation


class Networks:
    """What can be done to a network."""

    _libvirt: Connection
    _folder: Path
    _networks: defaultdict[str, asyncio.Lock]

    def _network(self, name: str) -> Path:
        return self._folder / "networks" / name

    async def ensure_network(self, network: str, spec: VirtualNetworkSpec) -> NetworkFacts:
        """Make the network active as the spec says.

        One that differs, or is inactive, is made anew; while guests use it that raises `Busy` with reason NetworkInUse.
        """
        async with self._networks[network]:
            return await self._libvirt.call(networks.ensure, network, spec, self._network(network))

    async def network_names(self) -> tuple[str, ...]:
        """Names of the VirtualNetworks that libvirt has a network of, active or not."""
        return await self._libvirt.call(networks.names)

    async def remove_network(self, network: str) -> None:
        """Take the network down and forget it; `Busy` while guests use it."""
        async with self._networks[network]:
            await self._libvirt.call(networks.remove, network)

    async def reserve(self, network: str, domain: str, reservation: Reservation) -> None:
        """Give the address to the hardware address by DHCP and answer its names, within milliseconds.

        `domain` is the network's: the name is <machine>.<namespace>.<domain>.
        """
        await self._libvirt.call(networks.reserve, network, self._network(network), domain, reservation)

    async def release(self, network: str, mac: str) -> None:
        """Forget the reservation of a hardware address; done if there is none."""
        await self._libvirt.call(networks.release, network, self._network(network), mac)

    async def reservations(self, network: str) -> tuple[str, ...]:
        """Hardware addresses that have a reservation or a name: to find those that nobody needs any more."""
        return await asyncio.to_thread(Leases(network, self._network(network)).known)
