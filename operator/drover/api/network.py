"""VirtualNetwork: a layer-2 network with addresses."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import (
    IP,
    Conditions,
    Label,
    Model,
    NodeLabels,
    ObjectName,
    Prose,
    ShortName,
    Users,
    keyed,
    rule,
    rules,
    told,
    unchanged,
)

# Only refused, not unreadable: earlier releases took more.
DOMAIN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$"

SHORTEST, LONGEST = 12, 29
"""Prefixes an IPv4 subnet may have."""
SHORTEST_6, LONGEST_6 = 64, 120
"""Prefixes an IPv6 subnet may have."""

_SIZES = [2 ** (32 - prefix) for prefix in range(SHORTEST, LONGEST + 1)]
_LAST = f"{{network}} + {_SIZES}[cidr(self.cidr).prefixLength() - {SHORTEST}] - 1"


_PREFIXES = (
    f"(cidr(self).ip().family() == 4 ? cidr(self).prefixLength() >= {SHORTEST} && cidr(self).prefixLength() <= {LONGEST}"
    f" : cidr(self).prefixLength() >= {SHORTEST_6} && cidr(self).prefixLength() <= {LONGEST_6})"
)


def _number(address: str) -> str:
    """CEL: an IPv4 address, itself a CEL expression, as a whole number."""
    return f"[{address}.split('.')].map(o, int(o[0]) * 16777216 + int(o[1]) * 65536 + int(o[2]) * 256 + int(o[3]))[0]"


def _host(address: str, name: str) -> dict[str, str]:
    """CEL: an address of a subnet lies inside it, and is neither its network nor its broadcast address."""
    network = _number("self.cidr.split('/')[0]")
    number = _number(f"self.{address}")
    inside = f"ip(self.{address}).family() == 4 && {number} > {network} && {number} < {_LAST.format(network=network)}"
    present = "".join(f"has(self.{part}) && " for part in _parts(address))
    return rule(
        f"!({present}isCIDR(self.cidr) && cidr(self.cidr).ip().family() == 4 && isIP(self.{address})"
        f" && cidr(self.cidr).prefixLength() >= {SHORTEST} && cidr(self.cidr).prefixLength() <= {LONGEST})"
        f" || ({inside})",
        f"'{name} must be a host address inside ' + self.cidr + ', not ' + self.{address}",
        dynamic=True,
        path=f".{address}",
    )


def _host_6(address: str, name: str) -> dict[str, str]:
    """CEL: the same of an IPv6 subnet, which has no broadcast address."""
    present = "".join(f"has(self.{part}) && " for part in _parts(address))
    # Compared as text: the API server cannot tell what it costs to compare two addresses.
    inside = f"cidr(self.cidr).containsIP(self.{address}) && !self.cidr.startsWith(self.{address} + '/')"
    return rule(
        f"!({present}isCIDR(self.cidr) && cidr(self.cidr).ip().family() == 6 && isIP(self.{address})) || ({inside})",
        f"'{name} must be a host address inside ' + self.cidr + ', not ' + self.{address}",
        dynamic=True,
        path=f".{address}",
    )


def _parts(address: str) -> list[str]:
    """Paths that must be there for an address to be there."""
    words = address.split(".")
    return [".".join(words[: count + 1]) for count in range(len(words))]


class AllocationRange(Model):
    """Addresses that machines get without asking for one."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!(isIP(self.start) && ip(self.start).family() == 4 && isIP(self.end) && ip(self.end).family() == 4)"
                f" || {_number('self.start')} <= {_number('self.end')}",
                "'allocation.start ' + self.start + ' must not lie after allocation.end ' + self.end",
                dynamic=True,
            )
        )
    )

    start: IP
    """First address, itself given out."""
    end: IP
    """Last address, itself given out."""


class Subnet(Model):
    """One range of addresses."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _host("gateway", "gateway"),
            _host("allocation.start", "allocation.start"),
            _host("allocation.end", "allocation.end"),
            _host_6("gateway", "gateway"),
            _host_6("allocation.start", "allocation.start"),
            _host_6("allocation.end", "allocation.end"),
        )
    )

    name: ShortName
    """Name of the subnet."""
    cidr: Annotated[
        str,
        Field(
            max_length=43,
            json_schema_extra=rules(
                rule(
                    "isCIDR(self) && cidr(self) == cidr(self).masked() && cidr(self).ip().isGlobalUnicast()"
                    f" && {_PREFIXES}",
                    f"'cidr must be an IPv4 network such as 10.20.0.0/24 with a prefix of {SHORTEST} to {LONGEST},"
                    f" or an IPv6 network such as fd00:20::/64 with one of {SHORTEST_6} to {LONGEST_6},"
                    " neither loopback, link-local nor multicast; not ' + self",
                    dynamic=True,
                )
            ),
        ),
    ]
    """Network such as 10.20.0.0/24, or fd00:20::/64; no other network of its zone may overlap it."""
    gateway: IP | None = None
    """Address of the node on the network: the guests' gateway and name server; on a Bridge or Direct network the router that is there, if any. Never given to a machine; absent: none, on a Bridge or Direct network."""
    dns_servers: Annotated[list[IP], Field(max_length=4)] | None = None
    """Name servers the gateway forwards to; default the node's own."""
    allocation: AllocationRange | None = None
    """Addresses to allocate from; default all of the subnet."""


NetworkType = Literal["NAT", "Routed", "Isolated", "Bridge", "Overlay", "Direct"]
ON_HOST = ("Bridge", "Direct")
"""Types whose network is there before us: its router, name server and other machines are not ours."""
LAYER_MTU = 1450
"""Largest packet on an overlay unless it says otherwise: what VXLAN leaves of an Ethernet frame of 1500."""
HostDevice = Annotated[str, Field(max_length=15, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""Name of a network interface of the nodes."""


class BridgeNetwork(Model):
    """A bridge that the nodes have already."""

    name: HostDevice
    """Name of the bridge on the nodes, such as br0."""
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = None
    """VLAN of the machines, 1 to 4094; needs a bridge that filters VLANs. Absent: untagged."""


class OverlayNetwork(Model):
    """A network between the nodes, by VXLAN."""

    vni: Annotated[int, Field(ge=1, le=16777215)]
    """Number of the network among all overlays of its zone, 1 to 16777215."""
    mtu: Annotated[int, Field(ge=1280, le=9000)] | None = None
    """Largest packet of the machines in bytes; default 1450, which fits nodes with 1500."""


class DirectNetwork(Model):
    """An interface of the nodes that machines are attached to without a bridge (macvtap)."""

    device: HostDevice
    """Name of the interface on the nodes, such as eth1; machines and their own node do not reach each other by it."""


def _member(kind: str, member: str) -> dict[str, str]:
    """CEL: a member is there exactly when the type is its own."""
    return rule(
        f"(self.type == '{kind}') == has(self.{member})",
        f"{member} is required with type {kind} and not allowed with any other",
        path=f".{member}",
    )


_OURS = f"!(self.type in {list(ON_HOST)})"
# Of two networks that overlap one contains the other's first address.
_OVERLAP = (
    "!has(self.subnets) || !self.subnets.all(one, isCIDR(one.cidr)) || self.subnets.all(one,"
    " self.subnets.exists_one(other, cidr(other.cidr).containsIP(cidr(one.cidr).ip())))"
)


class VirtualNetworkSpec(Model):
    """What the network should be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *unchanged("type", "subnets", "domain", "zone", "bridge", "overlay", "direct"),
            _member("Bridge", "bridge"),
            _member("Overlay", "overlay"),
            _member("Direct", "direct"),
            rule(
                f"!{_OURS} || (has(self.subnets) && self.subnets.size() > 0 && self.subnets.all(subnet, has(subnet.gateway)))",
                "subnets, each with a gateway, are required unless the type is Bridge or Direct",
                path=".subnets",
            ),
            rule(_OVERLAP, "subnets of one network must not overlap", path=".subnets"),
            rule(
                "self.type != 'Direct' || (has(self.antiSpoofing) && self.antiSpoofing == 'Disabled')",
                "a Direct network passes by the node's filters: antiSpoofing must be Disabled",
                path=".antiSpoofing",
            ),
        )
    )

    type: NetworkType
    """NAT: guests reach out through their node's address, and the network is local to each node. Routed: the same without translation. Isolated: guests of a node reach one another and nothing else. Bridge: a bridge that the nodes have. Overlay: one network over all nodes. Direct: an interface of the nodes, without a bridge. Immutable."""
    bridge: BridgeNetwork | None = None
    """The bridge, with type Bridge. Immutable."""
    overlay: OverlayNetwork | None = None
    """The overlay, with type Overlay. Immutable."""
    direct: DirectNetwork | None = None
    """The interface, with type Direct. Immutable."""
    default: bool = False
    """Whether interfaces that name no network go here; default false; of several the oldest wins. Live: machines that have an address already keep it."""
    zone: Label | None = None
    """Part of the cluster in which the network's subnets, VLAN and VNI must be its own; absent: that of all networks that name none. Immutable."""
    subnets: Annotated[list[Subnet], Field(max_length=4, json_schema_extra=keyed("name"))] | None = None
    """Ranges of addresses, at most 4: an interface gets one IPv4 address of the first range that has one left, and one IPv6 address likewise. Required unless the type is Bridge or Direct. Immutable."""
    domain: (
        Annotated[
            str,
            Field(
                max_length=200,
                json_schema_extra=told(
                    DOMAIN, "a DNS domain such as shop.internal, of labels of at most 63 characters"
                ),
            ),
        ]
        | None
    ) = None
    """Names <machine>.<namespace>.<domain> are answered on the gateway address; default <network>.internal. Immutable."""
    anti_spoofing: Literal["Enforced", "Disabled"] | None = None
    """Whether a guest may send only from the MAC and IP addresses of its interface, in ARP too; default Enforced. Live."""
    node_selector: NodeLabels | None = None
    """Labels of the nodes that have it; absent: all. Applies to machines when they are next scheduled."""


class NetworkNode(Model):
    """The network on one node."""

    name: ObjectName
    """Node."""
    ready: bool
    """Whether machines can be plugged in there."""
    message: Prose = ""
    """Why not."""
    address: Annotated[str, Field(max_length=39)] | None = None
    """Of an overlay: where the node takes packets for its machines."""


class VirtualNetworkStatus(Model):
    """What was observed of the network."""

    observed_generation: int | None = None
    """The metadata.generation this status tells of."""
    conditions: Conditions | None = None
    """Accepted: what it asks for is no other network's. Ready: accepted, and up on every node that reports it."""
    capacity: int | None = None
    """IPv4 addresses that can be given out."""
    allocated: int | None = None
    """Addresses that machines have, be they given out or asked for."""
    in_use_count: int | None = None
    """Machines with an interface on it."""
    in_use_by: Users | None = None
    """The first of them, as namespace/name."""
    nodes: Annotated[list[NetworkNode], Field(max_length=1000, json_schema_extra=keyed("name"))] | None = None
    """The network, node by node."""
