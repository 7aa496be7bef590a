"""What may pass an interface: the rules of its groups, its own addresses, its bounds, as one value a node can put up.

Default deny for what comes in once an interface names a group. What any rule denies is denied; order says nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import collapse_addresses, ip_network

from drover.api.domain import DomainInterface, LiveMachine
from drover.api.network import ON_HOST, VirtualNetworkSpec
from drover.api.securitygroup import Peers, SecurityRule
from drover.planning.live import NO_ADDRESS
from drover.planning.securitygroup import way
from drover.planning.view import SecurityGroupView
from drover.state.firewall import Port, Rule

Groups = Mapping[str, SecurityGroupView]
"""The groups of one namespace by name."""
LIVE_WORDS = 3
"""An interface in a record has more words than that: name, network, hardware address, addresses."""
NO_GROUP = ""
"""The name of no group: who is in it lets nothing in."""
ALL = ("0.0.0.0/0", "::/0")
"""Anyone."""


def port(interface: DomainInterface, network: VirtualNetworkSpec, groups: Groups, node: str = "") -> Port:
    """Describe an interface; `node` is the address from which the node itself speaks to guests of an overlay."""
    rules = (rule for name in interface.security_groups for rule in _rules(name, groups))
    own = tuple(ip for ip in (interface.ip, interface.ipv6) if ip)
    return Port(
        mac=interface.mac,
        addresses=own,
        bound=network.anti_spoofing != "Disabled",
        guarded=bool(interface.security_groups),
        hosts=_hosts(network, node),
        rules=tuple(sorted(rules, key=lambda each: (each.allow, each.name))),
        bytes_per_second=interface.bytes_per_second,
    )


def in_flight(ordered: Iterable[DomainInterface], live: LiveMachine | None) -> tuple[DomainInterface, ...]:
    """List the interfaces that count: of a guest in flight those it was started with, and what is live of the order."""
    wanted = {each.name: each for each in ordered}
    if live is None:
        return tuple(wanted.values())
    started = (text.split() for text in live.interfaces)
    return tuple(_as_started(words, wanted.get(words[0])) for words in started if len(words) > LIVE_WORDS)


def _as_started(words: Sequence[str], wanted: DomainInterface | None) -> DomainInterface:
    """Put together what a start gave an interface and what may change since; one that is to go keeps nothing open."""
    name, network, mac, ips, *_ = words
    by_colon = {":" in ip: ip for ip in ips.split(",") if ip != NO_ADDRESS}
    started = {"network": network, "mac": mac, "ip": by_colon.get(False, ""), "ipv6": by_colon.get(True, "")}
    if wanted is not None:
        return wanted.model_copy(update=started)
    going = DomainInterface(name=name, network=network, mac=mac)
    return going.model_copy(update={**started, "security_groups": [NO_GROUP]})


def _hosts(network: VirtualNetworkSpec, node: str) -> tuple[str, ...]:
    """Addresses of the node on the network; a router that is not the node gets in by rules alone."""
    if network.type in ON_HOST:
        return ()
    gateways = [subnet.gateway for subnet in network.subnets or () if subnet.gateway]
    return tuple(sorted({*gateways, *([node] if node and network.type == "Overlay" else [])}))


def _rules(name: str, groups: Groups) -> Iterator[Rule]:
    """Read the rules of a group; one that is not there has none, and one whose peers are nobody meets nothing."""
    found = groups.get(name)
    for rule in (found.spec.rules or ()) if found else ():
        peers = _peers(name, rule.from_ or rule.to, groups)
        if peers:
            yield _rule(f"{name}/{rule.name}", rule, peers)


def _rule(name: str, rule: SecurityRule, peers: tuple[str, ...]) -> Rule:
    return Rule(
        name=name,
        direction=rule.direction,
        allow=rule.action == "Allow",
        protocol=rule.protocol,
        ports=tuple(_range(text) for text in rule.ports or ()),
        peers=peers,
        log=rule.log == "Enabled",
    )


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _peers(name: str, peers: Peers | None, groups: Groups) -> tuple[str, ...]:
    if peers is None:
        return ALL
    members = (ip for other in peers.security_groups or () for ip in _members(name, other, groups))
    return collapse((*(peers.cidrs or ()), *members))


def _members(name: str, other: str, groups: Groups) -> Iterable[str]:
    """Members of a group that a rule names; of one in a loop with the rule's own they count for nothing."""
    found = groups.get(other)
    if found is None or way(other, name, groups):
        return ()
    return found.status.members or ()


@lru_cache(maxsize=256)
def collapse(cidrs: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out of some networks those that others contain, and join neighbours; IPv4 first."""
    parsed = [ip_network(each) for each in cidrs]
    four = collapse_addresses(each for each in parsed if each.version == 4)
    six = collapse_addresses(each for each in parsed if each.version == 6)
    return tuple(str(each) for each in (*four, *six))
