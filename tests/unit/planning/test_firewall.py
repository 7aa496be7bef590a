"""What may pass an interface: groups become rules, references become addresses, and what is unclear opens nothing."""

from typing import Any

import pytest
from tests.support.machines import make_group

from drover.api.domain import DomainInterface, LiveMachine
from drover.api.network import Subnet, VirtualNetworkSpec
from drover.planning.firewall import collapse, in_flight, port
from drover.planning.view import SecurityGroupView

MAC = "02:00:00:00:00:01"
SUBNETS = [Subnet(name="v4", cidr="10.20.0.0/24", gateway="10.20.0.1")]


def _interface(*groups: str, **fields: Any) -> DomainInterface:
    return DomainInterface(
        **{"name": "lan", "network": "n", "mac": MAC, "ip": "10.20.0.5", **fields}, security_groups=list(groups)
    )


def _network(**fields: Any) -> VirtualNetworkSpec:
    return VirtualNetworkSpec(**{"type": "NAT", "subnets": SUBNETS, **fields})


def _groups(*groups: SecurityGroupView) -> dict[str, SecurityGroupView]:
    return {each.meta.key.name: each for each in groups}


def test_an_interface_without_groups_is_bound_and_open() -> None:
    found = port(_interface(ipv6="fd00::5"), _network(), {})
    assert (found.addresses, found.bound, found.guarded, found.hosts) == (
        ("10.20.0.5", "fd00::5"),
        True,
        False,
        ("10.20.0.1",),
    )


@pytest.mark.parametrize(
    ("network", "node", "hosts"),
    [
        pytest.param(_network(), "192.0.2.1", ("10.20.0.1",), id="the gateway is the node"),
        pytest.param(
            _network(type="Overlay", overlay={"vni": 1}),
            "192.0.2.1",
            ("10.20.0.1", "192.0.2.1"),
            id="and its own address",
        ),
        pytest.param(_network(type="Bridge", bridge={"name": "br0"}), "192.0.2.1", (), id="a router is not the node"),
    ],
)
def test_what_the_node_says_comes_in(network: VirtualNetworkSpec, node: str, hosts: tuple[str, ...]) -> None:
    assert port(_interface(), network, {}, node).hosts == hosts


def test_spoofing_can_be_allowed() -> None:
    assert port(_interface(), _network(anti_spoofing="Disabled"), {}).bound is False


def test_rules_are_read_and_denials_come_first() -> None:
    rules = [
        {"name": "http", "protocol": "TCP", "ports": ["80", "8000-8010"], "log": "Enabled"},
        {"name": "not", "action": "Deny", "from": {"cidrs": ["10.9.0.7"]}},
    ]
    deny, allow = port(_interface("web"), _network(), _groups(make_group("web", rules=rules))).rules
    assert (deny.name, deny.allow, deny.peers, deny.ports) == ("web/not", False, ("10.9.0.7/32",), ())
    assert (allow.name, allow.peers, allow.ports, allow.log) == (
        "web/http",
        ("0.0.0.0/0", "::/0"),
        ((80, 80), (8000, 8010)),
        True,
    )


def _lb(*members: str, rules: Any = None) -> SecurityGroupView:
    return make_group("lb", status={"members": list(members)}, rules=rules)


@pytest.mark.parametrize(
    ("lb", "peers"),
    [
        pytest.param([_lb("10.20.0.8", "10.20.0.9")], ["10.20.0.8/31"], id="members"),
        pytest.param([_lb()], [], id="nobody"),
        pytest.param([], [], id="no such group"),
        pytest.param(
            [_lb("10.20.0.8", rules=[{"name": "r", "from": {"securityGroups": ["web"]}}])],
            [],
            id="a loop opens nothing",
        ),
    ],
)
def test_a_group_by_reference_stands_for_its_members(lb: list[SecurityGroupView], peers: list[str]) -> None:
    web = make_group("web", rules=[{"name": "r", "from": {"securityGroups": ["lb"]}}])
    found = port(_interface("web"), _network(), _groups(web, *lb))
    assert ([ip for rule in found.rules for ip in rule.peers], found.guarded) == (peers, True)


def test_a_group_that_is_not_there_lets_nothing_in() -> None:
    found = port(_interface("gone"), _network(), {})
    assert (found.guarded, found.rules) == (True, ())


def test_what_may_go_out_is_closed_by_the_first_rule_that_allows_anything() -> None:
    allow, deny = ({"name": "r", "direction": "Egress", "action": action} for action in ("Allow", "Deny"))
    closed = (
        port(_interface("g"), _network(), _groups(make_group("g", rules=[each]))).closed for each in (allow, deny)
    )
    assert list(closed) == [True, False]


def test_networks_are_joined_by_family() -> None:
    assert collapse(("fd00::/9", "10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16")) == ("10.0.0.0/8", "fd00::/9")


def test_a_guest_that_is_off_has_the_interfaces_that_are_ordered() -> None:
    assert in_flight([_interface()], None) == (_interface(),)


def test_a_guest_in_flight_has_the_addresses_it_was_started_with_and_the_groups_that_are_ordered() -> None:
    live = LiveMachine(cores=1, memory_bytes=1, interfaces=[f"lan old {MAC} 10.9.0.9,fd00::9 E1000E"])
    (found,) = in_flight([_interface("web")], live)
    assert (found.network, found.ip, found.ipv6, found.security_groups) == ("old", "10.9.0.9", "fd00::9", ["web"])


def test_an_interface_that_is_to_go_stays_bound_and_lets_nothing_in_until_it_is_gone() -> None:
    live = LiveMachine(cores=1, memory_bytes=1, interfaces=[f"dmz old {MAC} 10.20.0.6", "odd"])
    (found,) = in_flight([_interface("web")], live)
    filtered = port(found, _network(), _groups(make_group("web", rules=[{"name": "r"}])))

    assert (found.name, found.network) == ("dmz", "old")
    assert (filtered.addresses, filtered.bound, filtered.guarded, filtered.rules) == (("10.20.0.6",), True, True, ())
