"""The network configuration of a seed: what a guest that sets an address by itself has to know of its interfaces."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network

from drover.api.domain import DomainInterface, DomainSeed, DomainText
from drover.api.interface import AddressMode
from drover.api.network import ON_HOST, Subnet
from drover.planning.seed import digest
from drover.planning.view import NetworkView

STATIC = "Static"
GATEWAYS = {4: "gateway4", 6: "gateway6"}
"""By family. Every renderer of cloud-init knows them; of routes some make calls of programs that images lack."""
HEAD = '{\n "version": 2,\n "ethernets": {'
"""How what is generated begins."""
Entry = dict[str, object]


def told(
    seed: DomainSeed | None, interfaces: Sequence[DomainInterface], networks: Mapping[str, NetworkView]
) -> DomainSeed | None:
    """Have a seed tell of the interfaces, unless a user has written what it is to say of them."""
    if seed is None or seed.network_data is not None or not needed([each.address_mode for each in interfaces]):
        return seed
    return seed.model_copy(update={"network_data": DomainText(inline=text(interfaces, networks))})


def remembered(seed: DomainSeed | None, interfaces: Iterable[DomainInterface]) -> str:
    """Put into one line what is to be known of a seed while its guest runs: its digest, and how each interface is told.

    What is generated is not in the digest: it is another with every interface that comes or goes.
    """
    return " ".join((digest(_written(seed)), *(f"{mac}={word}" for mac, word in _words(seed, interfaces))))


def is_told(before: str, seed: DomainSeed | None, interfaces: Iterable[DomainInterface]) -> bool:
    """Whether a guest was told what stands in a seed, but for interfaces that came or went since."""
    was, *words = before.split() or [""]
    said = dict(word.split("=", 1) for word in words)
    same = all(said.get(mac, word) == word for mac, word in _words(seed, interfaces))
    # An earlier release remembered the digest of all of it.
    return (was == digest(_written(seed)) and same) or before == digest(seed)


def _words(seed: DomainSeed | None, interfaces: Iterable[DomainInterface]) -> Iterator[tuple[str, str]]:
    """What a seed says of each interface, in one word, by its hardware address."""
    entries = _generated(seed)
    if entries is not None:
        for each in interfaces:
            entry = {key: value for key, value in entries.get(each.mac, {}).items() if key != "set-name"}
            yield each.mac, _digest(entry) if each.address_mode == STATIC else each.address_mode


def _written(seed: DomainSeed | None) -> DomainSeed | None:
    """A seed as people wrote it."""
    return seed.model_copy(update={"network_data": None}) if seed and _generated(seed) is not None else seed


def _generated(seed: DomainSeed | None) -> Mapping[str, Entry] | None:
    """What we say of each interface, by its hardware address; None when nothing is said at all, or by a user."""
    if seed is None:
        return None
    if seed.network_data is None:
        return {}
    inline = seed.network_data.inline or ""
    if not inline.startswith(HEAD):
        return None
    try:
        return {each["match"]["macaddress"]: each for each in json.loads(inline)["ethernets"].values()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _digest(entry: Entry) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:8]


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
