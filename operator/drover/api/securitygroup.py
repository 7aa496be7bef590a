"""SecurityGroup: firewall rules of the interfaces that name it."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import Conditions, Label, Model, ShortName, keyed, rule, rules

Direction = Literal["Ingress", "Egress"]
Protocol = Literal["TCP", "UDP", "ICMP", "Any"]
PORT = r"^[0-9]{1,5}(-[0-9]{1,5})?$"
_BOUNDS = "self.split('-').map(word, int(word))"
_CIDR = (
    "(isCIDR(self) && cidr(self) == cidr(self).masked()) || isIP(self)",
    "'must be a network such as 10.20.0.0/16 or fd00::/8 without host bits, or an IP address; not ' + self",
)
Port = Annotated[
    str,
    Field(
        max_length=11,
        json_schema_extra=rules(
            rule(
                f"self.matches('{PORT}') && {_BOUNDS}.all(port, port >= 1 && port <= 65535)"
                f" && {_BOUNDS}[0] <= {_BOUNDS}[{_BOUNDS}.size() - 1]",
                "'ports: ' + self + ' is neither a port from 1 to 65535 nor a range such as 8000-8010'",
                dynamic=True,
            )
        ),
    ),
]
Range = Annotated[str, Field(max_length=43, json_schema_extra=rules(rule(*_CIDR, dynamic=True)))]


class Peers(Model):
    """Who is meant: any of these; of none of them nobody."""

    cidrs: Annotated[list[Range], Field(max_length=32)] | None = None
    """Networks or single addresses, IPv4 or IPv6, such as 10.20.0.0/16; absent: none."""
    security_groups: Annotated[list[Label], Field(max_length=8)] | None = None
    """SecurityGroups of this namespace: the addresses of the interfaces that name them; absent: none."""


class SecurityRule(Model):
    """One kind of traffic and what becomes of it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.ports) || self.protocol in ['TCP', 'UDP']",
                "'rule ' + self.name + ': ports need protocol TCP or UDP, not ' + self.protocol",
                dynamic=True,
                path=".ports",
            ),
            rule(
                "!has(self.from) || self.direction == 'Ingress'",
                "'rule ' + self.name + ': from is for Ingress; use to'",
                dynamic=True,
            ),
            rule(
                "!has(self.to) || self.direction == 'Egress'",
                "'rule ' + self.name + ': to is for Egress; use from'",
                dynamic=True,
            ),
        )
    )

    name: ShortName
    """Name of the rule."""
    direction: Direction = "Ingress"
    """Ingress: to the machine (default). Egress: from it."""
    action: Literal["Allow", "Deny"] = "Allow"
    """Allow (default) or Deny. What any rule of any group of the interface denies is denied, whatever others allow."""
    protocol: Protocol = "Any"
    """TCP, UDP, ICMP (of IPv4 and IPv6) or Any (default)."""
    ports: Annotated[list[Port], Field(max_length=32, json_schema_extra={"minItems": 1})] | None = None
    """Ports of the receiver, each a number or a range such as 8000-8010; absent: all."""
    from_: Annotated[Peers | None, Field(alias="from")] = None
    """Ingress: who sends; absent: anyone."""
    to: Peers | None = None
    """Egress: to whom; absent: anyone."""
    log: Literal["Enabled", "Disabled"] = "Disabled"
    """Whether the node's kernel log tells of what the rule met, at most five packets a second; default Disabled."""


class SecurityGroupSpec(Model):
    """What may pass to and from the interfaces that name the group: nothing to them but what a rule allows."""

    rules: Annotated[list[SecurityRule], Field(max_length=64, json_schema_extra=keyed("name"))] | None = None
    """Rules; their order says nothing. Live."""


class SecurityGroupStatus(Model):
    """What was observed of the group."""

    observed_generation: int | None = None
    """The metadata.generation this status tells of."""
    conditions: Conditions | None = None
    """Accepted: every group it names is there, and none leads back to it. Ready: accepted, and all members are told."""
    members: (
        Annotated[
            list[Annotated[str, Field(max_length=39)]],
            Field(max_length=4000, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Addresses of the interfaces that name the group."""
