"""The network configuration of a seed: what a guest that sets an address by itself has to know of its interfaces."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network

from drover.api.domain import DomainInterface, DomainSeed, DomainText
from drover.api.interface import AddressMode
from drover.api.network import ON_HOST, Subnet
from drover.planning.view import NetworkView

STATIC = "Static"
GATEWAYS = {4: "gateway4", 6: "gateway6"}
"""By family. Every renderer of cloud-init knows them; of routes some make calls of programs that images lack."""
Entry = dict[str, object]


def told(
    seed: DomainSeed | None, interfaces: Sequence[DomainInterface], networks: Mapping[str, NetworkView]
) -> DomainSeed | None:
    """Have a seed tell of the interfaces, unless a user has written what it is to say of them."""
    if seed is None or seed.network_data is not None or not needed([each.address_mode for each in interfaces]):
        return seed
    return seed.model_copy(update={"network_data": DomainText(inline=text(interfaces, networks))})


def needed(modes: Sequence[AddressMode]) -> bool:
    """Tell whether a guest has to be told: left alone, cloud-init asks for an address on one interface."""
    return len(modes) > 1 or STATIC in modes


def text(interfaces: Iterable[DomainInterface], networks: Mapping[str, NetworkView]) -> str:
    """Write cloud-init's network configuration, version 2; JSON is YAML.

    Guests call their interfaces differently: they are told by hardware address, and named in the order of the spec.
    """
    entries = {f"eth{number}": _entry(f"eth{number}", each, networks) for number, each in enumerate(interfaces)}
    return f"{json.dumps({'version': 2, 'ethernets': entries}, indent=1)}\n"


def _entry(name: str, interface: DomainInterface, networks: Mapping[str, NetworkView]) -> Entry:
    entry: Entry = {"match": {"macaddress": interface.mac}, "set-name": name}
    if interface.mtu is not None:
        entry["mtu"] = interface.mtu
    if interface.address_mode == "DHCP":
        return entry | {"dhcp4": True} | ({"dhcp6": True} if interface.ipv6 else {})
    network = networks.get(interface.network)
    if interface.address_mode == STATIC and network is not None:
        return entry | _static(interface, network)
    return entry


def _static(interface: DomainInterface, network: NetworkView) -> Entry:
    found = list(_placed(interface, network.spec.subnets or ()))
    # An isolated network's gateway leads nowhere, but it knows the names.
    leads = network.spec.type != "Isolated"
    gateways = [subnet.gateway for _, subnet in found if subnet.gateway and leads]
    servers = list(dict.fromkeys(server for _, subnet in found for server in _servers(network, subnet)))
    entry: Entry = {"addresses": [address for address, _ in found]}
    entry |= {GATEWAYS[ip_address(gateway).version]: gateway for gateway in gateways}
    return entry | ({"nameservers": {"addresses": servers}} if servers else {})


def _placed(interface: DomainInterface, subnets: Iterable[Subnet]) -> Iterator[tuple[str, Subnet]]:
    """Find the subnet of each address of an interface; gives the address with the length of its prefix."""
    ips = [ip_address(ip) for ip in (interface.ip, interface.ipv6) if ip]
    for subnet in subnets:
        cidr = ip_network(subnet.cidr)
        yield from ((f"{ip}/{cidr.prefixlen}", subnet) for ip in ips if ip in cidr)


def _servers(network: NetworkView, subnet: Subnet) -> Iterable[str]:
    """Name servers: our gateway, which asks others in turn; on a network of the host's those that its subnet names."""
    if network.spec.type in ON_HOST:
        return subnet.dns_servers or ()
    return (subnet.gateway,) if subnet.gateway else ()
