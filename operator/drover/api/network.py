"""VirtualNetwork: a layer-2 network with addresses."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import (
    Conditions,
    IPv4,
    Model,
    NodeLabels,
    ObjectName,
    Prose,
    ShortName,
    Users,
    keyed,
    rule,
    rules,
    unchanged,
)

SHORTEST, LONGEST = 12, 29
"""Prefixes a subnet may have."""

_SIZES = [2 ** (32 - prefix) for prefix in range(SHORTEST, LONGEST + 1)]
_LAST = f"{{network}} + {_SIZES}[cidr(self.cidr).prefixLength() - {SHORTEST}] - 1"


def _number(address: str) -> str:
    """CEL: an IPv4 address, itself a CEL expression, as a whole number."""
    return f"[{address}.split('.')].map(o, int(o[0]) * 16777216 + int(o[1]) * 65536 + int(o[2]) * 256 + int(o[3]))[0]"


def _host(address: str, name: str) -> dict[str, str]:
    """CEL: an address of a subnet lies inside it, and is neither its network nor its broadcast address."""
    network = _number("self.cidr.split('/')[0]")
    number = _number(f"self.{address}")
    inside = f"{number} > {network} && {number} < {_LAST.format(network=network)}"
    present = "".join(f"has(self.{part}) && " for part in address.split(".")[:-1])
    return rule(
        f"!({present}isCIDR(self.cidr) && cidr(self.cidr).ip().family() == 4 && isIP(self.{address})"
        f" && cidr(self.cidr).prefixLength() >= {SHORTEST} && cidr(self.cidr).prefixLength() <= {LONGEST})"
        f" || ({inside})",
        f"'{name} must be a host address inside ' + self.cidr + ', not ' + self.{address}",
        dynamic=True,
        path=f".{address}",
    )


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

    start: IPv4
    """First address."""
    end: IPv4
    """Last address."""


class Subnet(Model):
    """One range of addresses."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _host("gateway", "gateway"),
            _host("allocation.start", "allocation.start"),
            _host("allocation.end", "allocation.end"),
        )
    )

    name: ShortName
    """Name of the subnet."""
    cidr: Annotated[
        str,
        Field(
            max_length=18,
            json_schema_extra=rules(
                rule(
                    "isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self) == cidr(self).masked()"
                    f" && cidr(self).prefixLength() >= {SHORTEST} && cidr(self).prefixLength() <= {LONGEST}",
                    f"'cidr must be an IPv4 network such as 10.20.0.0/24 with a prefix of {SHORTEST} to {LONGEST}, not ' + self",
                    dynamic=True,
                )
            ),
        ),
    ]
    """Network such as 10.20.0.0/24."""
    gateway: IPv4
    """Address of the node on the network: the guests' gateway and name server."""
    dns_servers: Annotated[list[IPv4], Field(max_length=4)] | None = None
    """Name servers the gateway forwards to; default the node's own."""
    allocation: AllocationRange | None = None
    """Addresses to allocate from; default all of the subnet."""


class VirtualNetworkSpec(Model):
    """What the network should be."""

    model_config = ConfigDict(json_schema_extra=rules(*unchanged("type", "subnets", "domain")))

    type: Literal["NAT"]
    """NAT: guests reach out through their node's address; a network of this type is local to each node."""
    default: bool = False
    """Whether interfaces that name no network go here; of several the oldest wins."""
    subnets: Annotated[
        list[Subnet],
        Field(
            min_length=1,
            max_length=1,
            json_schema_extra=keyed("name"),
        ),
    ]
    """Ranges of addresses; one for now."""
    domain: Annotated[str, Field(max_length=200, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] | None = None
    """Names <machine>.<namespace>.<domain> are answered on the gateway address; default <network>.internal."""
    node_selector: NodeLabels | None = None
    """Labels of the nodes that have it; absent: all."""


class NetworkNode(Model):
    """The network on one node."""

    name: ObjectName
    """Node."""
    ready: bool
    """Whether machines can be plugged in there."""
    message: Prose = ""
    """Why not."""


class VirtualNetworkStatus(Model):
    """What was observed of the network."""

    observed_generation: int | None = None
    """The metadata.generation this status tells of."""
    conditions: Conditions | None = None
    """Ready: up on every node that reports it."""
    capacity: int | None = None
    """Addresses that can be given out."""
    allocated: int | None = None
    """Addresses that machines have, be they given out or asked for."""
    in_use_count: int | None = None
    """Machines with an interface on it."""
    in_use_by: Users | None = None
    """The first of them, as namespace/name."""
    nodes: Annotated[list[NetworkNode], Field(max_length=1000, json_schema_extra=keyed("name"))] | None = None
    """The network, node by node."""
