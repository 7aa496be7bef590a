"""The packet filter of a node, interface by interface, before it is put into anybody's words."""

from dataclasses import dataclass

from drover.api.securitygroup import Direction, Protocol


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of traffic and what becomes of it."""

    name: str
    """Group and rule, for the log."""
    direction: Direction
    allow: bool
    protocol: Protocol
    ports: tuple[tuple[int, int], ...]
    """First and last of each range; none: all."""
    peers: tuple[str, ...]
    """Networks of the others."""
    log: bool = False


@dataclass(frozen=True, slots=True)
class Port:
    """One interface as the node's packet filter sees it."""

    mac: str
    addresses: tuple[str, ...] = ()
    """Its own; none: it may use any."""
    bound: bool = True
    """Whether it may send only as itself."""
    guarded: bool = False
    """Whether nothing comes in but what a rule allows."""
    hosts: tuple[str, ...] = ()
    """Addresses of the node on the network: what it says itself always comes in."""
    rules: tuple[Rule, ...] = ()
    """Denials first."""
    bytes_per_second: int | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing goes out but what a rule allows: as soon as a rule allows anything."""
        return any(rule.allow and rule.direction == "Egress" for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Trunk:
    """The link of an overlay to the other nodes: what concerns each node's own gateway does not pass."""

    gateways: tuple[str, ...]
