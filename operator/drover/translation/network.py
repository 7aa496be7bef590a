"""A virtual network of libvirt, and the files in which its DHCP and DNS server finds our allocation.

dnsmasq hears of a changed file at once; a network update through libvirt would take a third of a second. It serves
nobody it does not know: the range is static, so only reserved hardware addresses get an answer.
"""

import hashlib
from ipaddress import IPv4Network
from pathlib import PurePosixPath

from drover.api.network import Subnet, VirtualNetworkSpec
from drover.state.host import Reservation
from drover.translation.xml import Element, attribute, element, parse, render

PREFIX = "drover-"
OPTIONS = "{http://libvirt.org/schemas/network/dnsmasq/1.0}options"
OPTION = "{http://libvirt.org/schemas/network/dnsmasq/1.0}option"
HOSTS = "hosts"
"""Directory of the reservations, one file a hardware address."""
NAMES = "names"
"""Directory of the names, one file a hardware address."""
_INTERFACE_NAME = 15
LEASE_TIME = "12h"
REVIVAL = '<txt name="drover" value="revived"/>'
"""A DNS record that comes and goes: libvirt starts a dead dnsmasq when it changes one."""


def name(network: str) -> str:
    """Libvirt's name of a VirtualNetwork."""
    return f"{PREFIX}{network}"


def network(name: str) -> str | None:
    """The VirtualNetwork of a network of libvirt's, None of any other's."""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None


def bridge(network: str) -> str:
    """Interface of the network on the node: its name, or a start and a digest if over 15 characters."""
    plain = f"dr-{network}"
    if len(plain) <= _INTERFACE_NAME:
        return plain
    # An underscore is in no name of a network, so a shortened name is never another network's plain one.
    return f"dr-{network[:5]}_{hashlib.sha256(network.encode()).hexdigest()[:6]}"


def domain(network: str, spec: VirtualNetworkSpec) -> str:
    """DNS domain of the network."""
    return spec.domain or f"{network}.internal"


def document(network: str, spec: VirtualNetworkSpec, directory: PurePosixPath) -> str:
    """The network's XML; `directory` holds its hosts and names."""
    subnet = spec.subnets[0]
    tree = element(
        "network",
        element("name", name(network)),
        element("forward", element("nat", element("port", start=1024, end=65535)), mode="nat"),
        element("bridge", name=bridge(network), stp="off", delay=0),
        element("domain", name=domain(network, spec), localOnly="yes"),
        _dns(subnet),
        element("ip", address=subnet.gateway, prefix=IPv4Network(subnet.cidr).prefixlen),
        element(OPTIONS, *(element(OPTION, value=option) for option in options(subnet, directory))),
    )
    return render(tree)


def _dns(subnet: Subnet) -> Element:
    return element(
        "dns", *(element("forwarder", addr=server) for server in subnet.dns_servers or ()), forwardPlainNames="no"
    )


def options(subnet: Subnet, directory: PurePosixPath) -> tuple[str, ...]:
    """What dnsmasq is told beyond libvirt's own configuration."""
    cidr = IPv4Network(subnet.cidr)
    return (
        f"dhcp-range={cidr.network_address},static,{cidr.netmask},{LEASE_TIME}",
        "dhcp-authoritative",
        # Addresses never change hands without us, so asking the wire first only costs three seconds.
        "no-ping",
        # The address follows the hardware address alone, and no guest chooses the name that others find it by.
        "dhcp-ignore-clid",
        "dhcp-ignore-names",
        f"dhcp-hostsdir={directory / HOSTS}",
        f"hostsdir={directory / NAMES}",
    )


def gateway(document: str) -> str:
    """The host's address on a network, from its XML."""
    return attribute(parse(document), "ip", "address")


def fingerprint(document: str) -> tuple[str, ...]:
    """What tells two networks apart, the same from our document and from what libvirt made of it."""
    tree = parse(document)
    chosen = (
        attribute(tree, "bridge", "name"),
        attribute(tree, "domain", "name"),
        attribute(tree, "ip", "address"),
        attribute(tree, "ip", "prefix"),
    )
    servers = (str(server.get("addr")) for server in tree.iterfind("dns/forwarder"))
    return (*chosen, *servers, *(str(option.get("value")) for option in tree.iterfind(f"{OPTIONS}/{OPTION}")))


def reservation(entry: Reservation) -> str:
    """Line of the hosts directory: who gets which address and is told which name.

    No ``set:`` tag may stand here: dnsmasq 2.86 to 2.90 crashes at SIGHUP when such a host has a lease.
    """
    return f"{entry.mac},{entry.ip},{entry.machine}\n"


def reserved_address(line: str) -> str:
    """The address of a line of the hosts directory, empty when it is not one of ours."""
    fields = line.strip().split(",")
    return fields[1] if len(fields) > 1 else ""


def names(entry: Reservation, zone: str) -> str:
    """Line of the names directory."""
    return f"{entry.ip} {entry.machine}.{entry.namespace}.{zone}\n"
