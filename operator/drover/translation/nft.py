"""The packet filter in nftables' own words: one transaction an interface, in the family that sees bridged frames too.

Connections are remembered by sets of our own: many kernels cannot track connections on a bridge, and a set that the
guest's own packets fill needs no more than nftables itself. A set is bounded, and one interface's cannot fill
another's. Text and not JSON, because nft 1.0.6 cannot say in JSON that packets fill a set.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address

from drover.state.firewall import Port, Rule, Trunk

TABLE = "bridge drover"
FROM, TO = "from-guests", "to-guests"
MAP = ("bridge", "drover", TO)
"""Maps from an interface to the chain of what comes out of it, and of what goes into it."""
SETS = ("tcp4", "udp4", "ping4", "tcp6", "udp6", "ping6")
FLOWS = 65536
"""Connections of a kind that are remembered for one interface."""
LOG_RATE = "limit rate 5/second"
BURST_PART = 10
"""A burst of a tenth of a second's bytes passes, but never less than …"""
BURST_LEAST = 65536
NOBODY = "0.0.0.0"  # noqa: S104 - nothing is bound to it
"""Whom a guest asks as that has no address yet."""
LINK_LOCAL = "fe80::/10"
_NEW = "tcp flags & (syn | ack) == syn"
_SKELETON = f"""\
add table {TABLE}
add map {TABLE} {FROM} {{ type ifname : verdict; }}
add map {TABLE} {TO} {{ type ifname : verdict; }}
add chain {TABLE} arrives {{ type filter hook prerouting priority -150; policy accept; }}
add chain {TABLE} leaves {{ type filter hook postrouting priority 0; policy accept; }}
flush chain {TABLE} arrives
flush chain {TABLE} leaves
add rule {TABLE} arrives iifname vmap @{FROM}
add rule {TABLE} leaves oifname vmap @{TO}
"""


@dataclass(frozen=True, slots=True)
class Family:
    """One of the two Internet Protocols as nftables calls its parts."""

    ip: str
    version: int
    icmp: str
    errors: str
    """Messages that tell a guest of trouble with what it sent."""


FAMILIES = (
    Family("ip", 4, "icmp", "{ destination-unreachable, time-exceeded, parameter-problem }"),
    Family(
        "ip6",
        6,
        "icmpv6",
        "{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem }",
    ),
)


def put(interface: str, port: Port) -> str:
    """Build the transaction that puts up an interface's filter, or a changed one in the place of the old."""
    return _put(interface, _sends(interface, port), _receives(interface, port), list(_notes(interface)))


def put_trunk(interface: str, trunk: Trunk) -> str:
    """Build the transaction for the link of an overlay to the other nodes."""
    return _put(interface, _trunk_brings(trunk), _trunk_takes(trunk), ())


def remove(interface: str) -> str:
    """Build the transaction that takes an interface's filter down, be it there or not."""
    chains = [f"{kind}-{interface}" for kind in ("from", "to", "new")]
    return "".join(
        [
            _put(interface, (), (), ()),
            f'delete element {TABLE} {FROM} {{ "{interface}" }}\n',
            f'delete element {TABLE} {TO} {{ "{interface}" }}\n',
            *(f"delete chain {TABLE} {chain}\n" for chain in chains),
            *(f"delete set {TABLE} {name}-{interface}\n" for name in SETS),
        ]
    )


def has_table(listed: str) -> bool:
    """Read from a list of tables, in JSON, whether ours is there."""
    return any(each.get("table", {}).get("name") == TABLE.split()[1] for each in json.loads(listed)["nftables"])


def interfaces(listed: str) -> frozenset[str]:
    """Read from a map, in JSON, which interfaces have a filter."""
    maps = (each["map"] for each in json.loads(listed)["nftables"] if "map" in each)
    return frozenset(str(element[0]) for each in maps for element in each.get("elem", ()))


def masquerade(name: str, cidrs: Iterable[str]) -> str:
    """Build the transaction by which guests of an overlay reach out through their node's address."""
    rules = (f"add rule ip drover {name} ip saddr {each} ip daddr != {each} masquerade\n" for each in cidrs)
    return _masquerade(name) + "".join(rules)


def unmasquerade(name: str) -> str:
    """Build the transaction that takes it back."""
    return f"{_masquerade(name)}delete chain ip drover {name}\n"


def _masquerade(name: str) -> str:
    hook = "{ type nat hook postrouting priority 100; policy accept; }"
    return f"add table ip drover\nadd chain ip drover {name} {hook}\nflush chain ip drover {name}\n"


def _put(interface: str, sends: Iterable[str], receives: Iterable[str], notes: Iterable[str]) -> str:
    chains = {f"from-{interface}": sends, f"to-{interface}": receives, f"new-{interface}": notes}
    made = [f"add chain {TABLE} {chain}\nflush chain {TABLE} {chain}\n" for chain in chains]
    rules = (f"add rule {TABLE} {chain} {rule}\n" for chain, lines in chains.items() for rule in lines)
    known = (
        f'add element {TABLE} {FROM} {{ "{interface}" : jump from-{interface} }}\n',
        f'add element {TABLE} {TO} {{ "{interface}" : jump to-{interface} }}\n',
    )
    return "".join([_SKELETON, *_sets(interface), *made, *rules, *known])


def _sets(interface: str) -> Iterator[str]:
    for family in FAMILIES:
        for kind, seconds in (("tcp", 3600), ("udp", 60), ("ping", 60)):
            key = _ping(family, sends=True) if kind == "ping" else _key(family, kind, sends=True)
            options = f"typeof {key}; size {FLOWS}; flags dynamic,timeout; timeout {seconds}s;"
            yield f"add set {TABLE} {kind}{family.version}-{interface} {{ {options} }}\n"


# --- what a guest sends ----------------------------------------------------------------------------------------------


def _sends(interface: str, port: Port) -> Iterator[str]:
    if port.bound:
        yield from _bound(port)
    yield from _limit(port)
    if port.guarded:
        yield from _judged(interface, port)


def _bound(port: Port) -> Iterator[str]:
    """Let nothing out under another name, and nothing that only the node may say."""
    yield f"ether saddr != {port.mac} drop"
    yield f"arp saddr ether != {port.mac} drop"
    yield "udp sport { 67, 547 } drop"
    yield "icmpv6 type nd-router-advert drop"
    if port.addresses:
        four, six = ([each for each in port.addresses if (":" in each) is colon] for colon in (False, True))
        yield f"arp saddr ip != {_set([*four, NOBODY])} drop"
        yield "ip saddr 0.0.0.0 udp sport 68 udp dport 67 return"
        yield f"ip saddr != {_set(four)} drop" if four else "ether type ip drop"
        yield f"ip6 saddr != {_set([*six, LINK_LOCAL, '::'])} drop"
        # The target of an advertisement: the eighth byte of the message on.
        yield f"icmpv6 type nd-neighbor-advert @th,64,128 & {_LINK_LOCAL_MASK} != {_LINK_LOCAL_BITS}{_others(six)} drop"
        yield "ether type != { arp, ip, ip6 } drop"


_LINK_LOCAL_MASK = "0xffc00000000000000000000000000000"
_LINK_LOCAL_BITS = "0xfe800000000000000000000000000000"


def _others(six: Iterable[str]) -> str:
    return "".join(f" @th,64,128 != {int(IPv6Address(each)):#034x}" for each in six)


def _limit(port: Port) -> Iterator[str]:
    if port.bytes_per_second is not None:
        burst = max(port.bytes_per_second // BURST_PART, BURST_LEAST)
        yield f"limit rate over {port.bytes_per_second} bytes/second burst {burst} bytes drop"


def _judged(interface: str, port: Port) -> Iterator[str]:
    yield "ether type arp return"
    yield "udp sport 68 udp dport 67 return"
    yield "udp sport 546 udp dport 547 return"
    yield "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } return"
    for family in FAMILIES:
        key = _key(family, "tcp", sends=True)
        yield f"{key} @tcp{family.version}-{interface} update @tcp{family.version}-{interface} {{ {key} }}"
        yield f"meta protocol {family.ip} tcp flags & (syn | ack) != syn return"
        key = _key(family, "udp", sends=True)
        yield f"{key} @udp{family.version}-{interface} update @udp{family.version}-{interface} {{ {key} }} return"
        yield f"{family.icmp} type {{ echo-reply, {family.errors.strip('{ }')} }} return"
    yield from _verdicts(port, "Egress", f"goto new-{interface}")
    yield "drop" if port.closed else f"goto new-{interface}"


def _notes(interface: str) -> Iterator[str]:
    """Remember what a guest begins, so that the answer comes in."""
    for family in FAMILIES:
        tcp, udp = (_key(family, protocol, sends=True) for protocol in ("tcp", "udp"))
        ours = f"meta protocol {family.ip} meta l4proto"
        yield f"{ours} tcp {_NEW} update @tcp{family.version}-{interface} {{ {tcp} timeout 60s }}"
        yield f"{ours} udp update @udp{family.version}-{interface} {{ {udp} }}"
        ping = _ping(family, sends=True)
        yield f"{family.icmp} type echo-request update @ping{family.version}-{interface} {{ {ping} }}"


# --- what a guest receives -------------------------------------------------------------------------------------------


def _receives(interface: str, port: Port) -> Iterator[str]:
    yield from _limit(port)
    if not port.guarded:
        return
    yield "ether type arp accept"
    yield "udp sport 67 udp dport 68 accept"
    yield f"ip6 saddr {LINK_LOCAL} udp sport 547 udp dport 546 accept"
    yield "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, mld-listener-query } accept"
    # Whoever lets the first piece of a packet through lets through the rest, which has no ports.
    yield "ip frag-off & 0x1fff != 0 accept"
    for family, hosts in _by_family(port.hosts):
        yield f"{family.ip} saddr {_set(hosts)} accept"
    for family in FAMILIES:
        yield from _answers(interface, family)
    yield from _verdicts(port, "Ingress", "accept", interface if port.closed else "")
    yield "drop"


def _answers(interface: str, family: Family) -> Iterator[str]:
    for kind in ("tcp", "udp"):
        key, name = _key(family, kind, sends=False), f"@{kind}{family.version}-{interface}"
        yield f"{key} {name} update {name} {{ {key} }} accept"
    ping = _ping(family, sends=False)
    yield f"{family.icmp} type echo-reply {ping} @ping{family.version}-{interface} accept"
    yield f"{family.icmp} type {family.errors} accept"


# --- rules -----------------------------------------------------------------------------------------------------------


def _verdicts(port: Port, direction: str, allow: str, remember: str = "") -> Iterator[str]:
    """Render the rules of one direction; with `remember` the answers to what comes in by UDP may go out."""
    for rule in port.rules:
        if rule.direction == direction:
            for family, peers in _by_family(rule.peers):
                yield from _verdict(rule, family, peers, allow, remember)


def _verdict(rule: Rule, family: Family, peers: Iterable[str], allow: str, remember: str) -> Iterator[str]:
    side = "saddr" if rule.direction == "Ingress" else "daddr"
    match = f"{family.ip} {side} {_set(peers)}{_protocol(rule, family)}"
    if rule.log:
        yield f'{match} {LOG_RATE} log prefix "drover {rule.name} {"allow" if rule.allow else "deny"}: "'
    if rule.allow and remember and rule.protocol in {"UDP", "Any"}:
        key = _key(family, "udp", sends=False)
        known = "" if rule.protocol == "UDP" else " meta l4proto udp"
        yield f"{match}{known} update @udp{family.version}-{remember} {{ {key} }}"
    yield f"{match} {allow if rule.allow else 'drop'}"


def _protocol(rule: Rule, family: Family) -> str:
    if rule.protocol == "Any":
        return ""
    if rule.protocol == "ICMP":
        return f" meta l4proto {'icmp' if family.version == FAMILIES[0].version else 'ipv6-icmp'}"
    protocol = rule.protocol.lower()
    if not rule.ports:
        return f" meta l4proto {protocol}"
    ranges = (str(first) if first == last else f"{first}-{last}" for first, last in _merged(rule.ports))
    return f" {protocol} dport {_set(ranges)}"


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges that meet or overlap: a set refuses them."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


# --- the link of an overlay to other nodes ---------------------------------------------------------------------------

_SERVICES = "udp dport { 67, 68, 546, 547 } drop"
_ROUTERS = "icmpv6 type { nd-router-advert, nd-router-solicit } drop"


def _trunk_brings(trunk: Trunk) -> Iterator[str]:
    yield _SERVICES
    yield _ROUTERS
    for family, gateways in _by_family(trunk.gateways):
        if family.version == FAMILIES[0].version:
            yield f"arp saddr ip {_set(gateways)} drop"
        else:
            yield f"ip6 saddr {_set(gateways)} icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} drop"


def _trunk_takes(trunk: Trunk) -> Iterator[str]:
    yield _SERVICES
    yield _ROUTERS
    for family, gateways in _by_family(trunk.gateways):
        every = _set(gateways)
        if family.version == FAMILIES[0].version:
            yield f"arp daddr ip {every} drop"
            # The node asks for a guest elsewhere without giving its own address: that guest has a gateway of its own.
            yield f"arp operation request arp saddr ip {every} arp saddr ip set 0.0.0.0"
        else:
            yield f"ip6 saddr {every} icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} drop"


# --- words -----------------------------------------------------------------------------------------------------------


def _key(family: Family, protocol: str, *, sends: bool) -> str:
    """A connection as its guest has it: own address and port, the other's address and port."""
    own, other = ("s", "d") if sends else ("d", "s")
    ends = (f"{family.ip} {end}addr . {protocol} {end}port" for end in (own, other))
    return " . ".join(ends)


def _ping(family: Family, *, sends: bool) -> str:
    """A series of pings as the guest that sends them has it."""
    own, other = ("s", "d") if sends else ("d", "s")
    return f"{family.ip} {own}addr . {family.icmp} id . {family.ip} {other}addr"


def _by_family(addresses: Iterable[str]) -> Iterator[tuple[Family, list[str]]]:
    every = list(addresses)
    for family in FAMILIES:
        found = [each for each in every if (":" in each) is (family.ip == "ip6")]
        if found:
            yield family, found


def _set(items: Iterable[str]) -> str:
    return f"{{ {', '.join(items)} }}"
