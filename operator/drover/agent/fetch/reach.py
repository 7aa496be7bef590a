"""Which servers may be asked for files: a tenant names the URL, but it is the node that goes there.

Without more the node's own services, its link and the metadata service of its cloud are out of reach, however a name
resolves and wherever a redirect points. Operators list names, ``*.names``, addresses and networks.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import aiohttp

from drover.agent.fetch.order import Trouble

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
ANYONE = "*"
METADATA = frozenset(
    map(ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
"""Metadata services that are not on the link, of Azure, Alibaba, Oracle, Amazon and Google."""
_NAT64 = ip_network("64:ff9b::/96")
_IPV4_BITS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be reached."""

    anyone: bool = True
    """Whether servers that are not listed may be asked too."""
    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    """With their dot."""
    networks: tuple[Network, ...] = ()

    def knows(self, host: str) -> bool:
        """Whether a server is listed by name: then it may be anywhere."""
        plain = host.rstrip(".").lower()
        return plain in self.names or plain.endswith(self.suffixes or ("\0",))

    def allows(self, address: Address) -> bool:
        """Whether a server at this address may be asked."""
        inner = carried(address)
        if any(inner in network for network in self.networks if network.version == inner.version):
            return True
        return self.anyone and not special(inner)


@dataclass(slots=True)
class Sockets:
    """Makes the sockets for one server, and none to where it may not be."""

    reach: Reach
    known: bool
    refused: list[str] = field(default_factory=list)

    def make(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """Make the socket for an address that the server's name stands for."""
        family, kind, protocol, _, place = info
        address = ip_address(str(place[0]).partition("%")[0])
        if not self.known and not self.reach.allows(address):
            self.refused.append(str(address))
            raise OSError(f"{address} is out of reach")
        return socket.socket(family, kind, protocol)


def read(hosts: str) -> Reach:
    """Read what the operator allows; a comma stands between two entries, a lone star for everybody else."""
    entries = [entry.strip().lower() for entry in hosts.split(",") if entry.strip()]
    networks, names = _sort(entries, _network)
    return Reach(
        ANYONE in names,
        frozenset(name for name in names if not name.startswith(ANYONE)),
        tuple(name.removeprefix(ANYONE) for name in names if name.startswith("*.")),
        tuple(networks),
    )


def _sort(entries: list[str], parse: Callable[[str], Network | None]) -> tuple[list[Network], list[str]]:
    parsed = [(entry, parse(entry)) for entry in entries]
    return [network for _, network in parsed if network], [entry for entry, network in parsed if network is None]


def _network(entry: str) -> Network | None:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None


def carried(address: Address) -> Address:
    """The IPv4 address that an IPv6 one only carries, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    translated = IPv4Address(int(address) & _IPV4_BITS) if address in _NAT64 else None
    return address.ipv4_mapped or address.sixtofour or translated or address


def special(address: Address) -> bool:
    """Whether an address is the node's own, on its link, a cloud's metadata service, or no server's at all."""
    odd = address.is_unspecified or address.is_multicast or address.is_reserved
    return odd or address.is_loopback or address.is_link_local or address in METADATA


def check_by_name(reach: Reach, host: str) -> None:
    """Object to a server that a proxy is to ask: only the proxy knows where it is, unless the URL says so."""
    literal = _network(host)
    if reach.knows(host) or (literal is None and reach.anyone):
        return
    if literal is None or not reach.allows(literal.network_address):
        raise refusal(host)


def refusal(host: str) -> Trouble:
    """What is said of a server that may not be asked; not where it is, which would tell of the node's network."""
    return Trouble("HostNotAllowed", f"images may not be fetched from {host}: the node's operator does not allow it")
