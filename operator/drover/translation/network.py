"""A virtual network of libvirt, and the files in which its DHCP and DNS server finds our allocation.

dnsmasq hears of a changed file at once; a network update through libvirt would take a third of a second. It serves
nobody it does not know: the range is static, so only reserved hardware addresses get an answer.
"""

import hashlib
from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import PurePosixPath

from drover.api.network import LAYER_MTU, ON_HOST, Subnet, VirtualNetworkSpec
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


LINK = 6
"""Version of the Internet Protocol whose subnets need router advertisements."""


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


def tap(uuid: str, interface: str) -> str:
    """Host side of a guest's interface: the same at each of its starts, so a filter can be there before it."""
    return f"dt{hashlib.sha256(f'{uuid}/{interface}'.encode()).hexdigest()[:12]}"


def trunk(network: str) -> str:
    """Link of an overlay to the other nodes."""
    return f"dv{hashlib.sha256(network.encode()).hexdigest()[:12]}"


def domain(network: str, spec: VirtualNetworkSpec) -> str:
    """DNS domain of the network."""
    return spec.domain or f"{network}.internal"


def document(network: str, spec: VirtualNetworkSpec, directory: PurePosixPath) -> str:
    """The network's XML; `directory` holds its hosts and names."""
    parts = _host_parts(spec) if spec.type in ON_HOST else _own_parts(network, spec, directory)
    return render(element("network", element("name", name(network)), *parts))


def _host_parts(spec: VirtualNetworkSpec) -> Iterator[Element]:
    """A network that is there before us: its bridge or its interface, and nothing that answers on it."""
    if spec.direct is not None:
        yield element("forward", element("interface", dev=spec.direct.device), mode="bridge")
    else:
        assert spec.bridge is not None, "there is no third type of network of the host's"
        yield element("forward", mode="bridge")
        yield element("bridge", name=spec.bridge.name)
        if spec.bridge.vlan is not None:
            yield element("vlan", element("tag", id=spec.bridge.vlan))


def _own_parts(network: str, spec: VirtualNetworkSpec, directory: PurePosixPath) -> Iterator[Element]:
    subnets = spec.subnets or []
    yield from _forward(spec)
    yield element("bridge", name=bridge(network), stp="off", delay=0)
    if spec.overlay is not None:
        yield element("mtu", size=spec.overlay.mtu or LAYER_MTU)
    yield element("domain", name=domain(network, spec), localOnly="yes")
    yield _dns(subnets)
    for subnet in subnets:
        cidr = ip_network(subnet.cidr)
        family = {"family": "ipv6"} if cidr.version == LINK else {}
        yield element("ip", address=subnet.gateway or "", prefix=cidr.prefixlen, **family)
    yield element(OPTIONS, *(element(OPTION, value=option) for option in options(spec, directory)))


def _forward(spec: VirtualNetworkSpec) -> Iterator[Element]:
    """How guests get out of the network; the node routes an overlay without libvirt's own firewall rules."""
    six = any(ip_network(subnet.cidr).version == LINK for subnet in spec.subnets or ())
    if spec.type == "NAT":
        translated = {"ipv6": "yes"} if six else {}
        yield element("forward", element("nat", element("port", start=1024, end=65535), **translated), mode="nat")
    elif spec.type == "Routed":
        yield element("forward", mode="route")
    elif spec.type == "Overlay":
        yield element("forward", mode="open")


def _dns(subnets: list[Subnet]) -> Element:
    servers = dict.fromkeys(server for subnet in subnets for server in subnet.dns_servers or ())
    return element("dns", *(element("forwarder", addr=server) for server in servers), forwardPlainNames="no")


def _ranges(subnets: list[Subnet]) -> Iterator[str]:
    for subnet in subnets:
        cidr = ip_network(subnet.cidr)
        size = str(cidr.prefixlen) if cidr.version == LINK else str(cidr.netmask)
        yield f"dhcp-range={cidr.network_address},static,{size},{LEASE_TIME}"


def options(spec: VirtualNetworkSpec, directory: PurePosixPath) -> tuple[str, ...]:
    """What dnsmasq is told beyond libvirt's own configuration."""
    return (
        *_ranges(spec.subnets or []),
        # For network cards that do not learn it from QEMU.
        *([f"dhcp-option=option:mtu,{spec.overlay.mtu or LAYER_MTU}"] if spec.overlay else []),
        "dhcp-authoritative",
        # Addresses never change hands without us, so asking the wire first only costs three seconds.
        "no-ping",
        # The address follows the hardware address alone, and no guest chooses the name that others find it by.
        "dhcp-ignore-clid",
        "dhcp-ignore-names",
        f"dhcp-hostsdir={directory / HOSTS}",
        f"hostsdir={directory / NAMES}",
    )


def gateway(document: str, guest: str) -> str:
    """The host's address in the subnet of a guest's, from the network's XML; empty when it has none."""
    known = ((str(each.get("address")), str(each.get("prefix"))) for each in parse(document).iterfind("ip"))
    mine = (address for address, prefix in known if ip_address(guest) in ip_interface(f"{address}/{prefix}").network)
    return next(mine, "")


def fingerprint(document: str) -> tuple[str, ...]:
    """What tells two networks apart, the same from our document and from what libvirt made of it."""
    tree = parse(document)
    chosen = (
        attribute(tree, "forward", "mode"),
        attribute(tree, "forward/interface", "dev"),
        attribute(tree, "bridge", "name"),
        attribute(tree, "vlan/tag", "id"),
        attribute(tree, "mtu", "size"),
        attribute(tree, "domain", "name"),
        *(f"{one.get('address')}/{one.get('prefix')}" for one in tree.iterfind("ip")),
    )
    servers = (str(server.get("addr")) for server in tree.iterfind("dns/forwarder"))
    return (*chosen, *servers, *(str(option.get("value")) for option in tree.iterfind(f"{OPTIONS}/{OPTION}")))


def reservation(entry: Reservation) -> str:
    """Line of the hosts directory: who gets which address and is told which name.

    No ``set:`` tag may stand here: dnsmasq 2.86 to 2.90 crashes at SIGHUP when such a host has a lease.
    """
    addresses = [entry.ip] if entry.ip else []
    addresses += [f"[{entry.ipv6}]"] if entry.ipv6 else []
    return ",".join([entry.mac, *addresses, entry.machine]) + "\n"


def reserved_address(line: str) -> str:
    """The address of a line of the hosts directory, empty when it is not one of ours."""
    fields = line.strip().split(",")
    return fields[1] if len(fields) > 1 else ""


def names(entry: Reservation, zone: str) -> str:
    """Lines of the names directory, one an address."""
    return "".join(f"{ip} {entry.machine}.{entry.namespace}.{zone}\n" for ip in (entry.ip, entry.ipv6) if ip)
