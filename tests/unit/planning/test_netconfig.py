"""What a seed says of interfaces: nothing while cloud-init does right by itself, else all that the guest must know."""

import json
from typing import Any

import pytest
from tests.support.machines import MAC, SUBNET, make_network

from drover.api.domain import DomainInterface, DomainSeed, DomainText
from drover.planning import netconfig, seed, seedtext
from drover.planning.netconfig import HEAD

SIX = {"name": "v6", "cidr": "fd00:20::/64", "gateway": "fd00:20::1"}
MATCH = {"match": {"macaddress": MAC}, "set-name": "eth0"}


def plug(**changes: Any) -> DomainInterface:
    """An interface on the default network, with an address of its own."""
    content = {"name": "lan", "network": "default", "mac": MAC, "ip": "10.20.0.2", "addressMode": "Static"} | changes
    return DomainInterface.model_validate(content)


def entries(*interfaces: DomainInterface, **network: Any) -> Any:
    """What is said of each interface by its name in the guest."""
    text = netconfig.text(interfaces, {"default": make_network(**network)})
    assert seedtext.fault("networkData", text) is None
    return json.loads(text)["ethernets"]


def test_a_static_interface_is_told_its_address_its_way_out_and_who_knows_names() -> None:
    assert entries(plug())["eth0"] == MATCH | {
        "addresses": ["10.20.0.2/29"],
        "gateway4": "10.20.0.1",
        "nameservers": {"addresses": ["10.20.0.1"]},
    }


def test_both_families_are_told() -> None:
    found = entries(plug(ipv6="fd00:20::2"), subnets=[SUBNET, SIX])["eth0"]

    assert found["addresses"] == ["10.20.0.2/29", "fd00:20::2/64"]
    assert (found["gateway4"], found["gateway6"]) == ("10.20.0.1", "fd00:20::1")
    assert found["nameservers"] == {"addresses": ["10.20.0.1", "fd00:20::1"]}


HOSTS = {"type": "Bridge", "bridge": {"name": "br0"}}


@pytest.mark.parametrize(
    ("network", "gateway", "servers"),
    [
        pytest.param({"type": "Isolated"}, None, {"addresses": ["10.20.0.1"]}, id="an isolated network leads nowhere"),
        pytest.param(HOSTS | {"subnet": {"gateway": None}}, None, None, id="a bridge of which nothing is known"),
        pytest.param(
            HOSTS | {"subnet": {"dnsServers": ["9.9.9.9"]}},
            "10.20.0.1",
            {"addresses": ["9.9.9.9"]},
            id="a bridge with a router and a name server",
        ),
        pytest.param({"subnet": {"gateway": None}}, None, None, id="no gateway"),
    ],
)
def test_what_leads_nowhere_is_no_route(network: dict[str, Any], gateway: Any, servers: Any) -> None:
    found = entries(plug(), **network)["eth0"]

    assert (found.get("gateway4"), found.get("nameservers")) == (gateway, servers)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"addressMode": "DHCP"}, {"dhcp4": True}, id="by DHCP"),
        pytest.param({"addressMode": "DHCP", "ipv6": "fd00:20::2"}, {"dhcp4": True, "dhcp6": True}, id="by both DHCPs"),
        pytest.param({"addressMode": "Unmanaged", "mtu": 1450}, {"mtu": 1450}, id="not at all"),
        pytest.param({"network": "other"}, {}, id="a network that is gone"),
    ],
)
def test_other_interfaces_are_named_and_left_to_themselves(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert entries(plug(**changes))["eth0"] == MATCH | expected


SEED = DomainSeed(hostname="web")
DHCP = plug(addressMode="DHCP")


@pytest.mark.parametrize(
    ("seed", "interfaces", "expected"),
    [
        pytest.param(SEED, [plug()], True, id="a static address"),
        pytest.param(SEED, [DHCP, DHCP], True, id="more than one interface"),
        pytest.param(SEED, [DHCP], False, id="one interface by DHCP, as cloud-init does by itself"),
        pytest.param(SEED, [], False, id="no interface"),
        pytest.param(None, [plug()], False, id="no seed"),
    ],
)
def test_a_seed_tells_of_interfaces_where_it_must(
    seed: DomainSeed | None, interfaces: list[DomainInterface], expected: Any
) -> None:
    found = netconfig.told(seed, interfaces, {"default": make_network()})

    assert (found is not None and found.network_data is not None) is expected


def test_what_a_user_wrote_of_interfaces_stands() -> None:
    mine = DomainSeed.model_validate({"hostname": "web", "networkData": {"inline": "version: 2"}})

    assert netconfig.told(mine, [plug()], {}) is mine


SEED = DomainSeed.model_validate({"hostname": "web"})
FIRST, STATIC = "02:00:00:00:00:01", "02:00:00:00:00:02"


def generated(*interfaces: DomainInterface, **network: Any) -> DomainSeed:
    """The seed of a machine with these interfaces."""
    found = netconfig.told(SEED, interfaces, {"default": make_network(**network)})
    assert found is not None
    return found


def card(mac: str, ip: str = "10.20.0.7", mode: str = "DHCP", **changes: Any) -> DomainInterface:
    content = {"name": f"n{mac[-1]}", "network": "default", "mac": mac, "ip": ip, "addressMode": mode}
    return DomainInterface.model_validate(content | changes)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([card(FIRST)], [card(FIRST)], True, id="the same"),
        pytest.param([card(FIRST)], [card(FIRST), card(STATIC, mode="Static")], True, id="one came"),
        pytest.param(
            [card(FIRST), card(STATIC, mode="Static")], [card(STATIC, mode="Static")], True, id="the first went"
        ),
        pytest.param(
            [card(FIRST, mode="Unmanaged")],
            [card(FIRST, mode="Unmanaged"), card(STATIC)],
            True,
            id="beside a silent one",
        ),
        pytest.param([card(FIRST)], [card(FIRST, mode="Static")], False, id="another mode"),
        pytest.param([card(FIRST, mode="Static")], [card(FIRST)], False, id="another mode of the only one"),
        pytest.param(
            [card(FIRST, mode="Static")], [card(FIRST, "10.20.0.8", mode="Static")], False, id="another address"
        ),
    ],
)
def test_interfaces_that_come_and_go_are_no_news_of_the_seed(
    before: list[DomainInterface], after: list[DomainInterface], *, expected: bool
) -> None:
    told = netconfig.remembered(generated(*before), before)

    assert len(told) <= 256
    assert netconfig.is_told(told, generated(*after), after) is expected
    assert not netconfig.is_told(told, generated(*after).model_copy(update={"hostname": "db"}), after)


def test_what_an_earlier_release_remembered_is_understood() -> None:
    both = [card(FIRST), card(STATIC, mode="Static")]

    assert netconfig.is_told(seed.digest(generated(*both)), generated(*both), both)
    assert not netconfig.is_told(seed.digest(generated(*both)), SEED, [])
    assert (netconfig.is_told("", None, []), netconfig.is_told("", SEED, [])) == (True, False)


@pytest.mark.parametrize("text", ["version: 2", HEAD, f"{HEAD}}}}}", f'{HEAD}"a": 1}}}}', f'{HEAD}"a": {{}}}}}}'])
def test_what_a_user_wrote_is_compared_as_a_whole(text: str) -> None:
    mine = SEED.model_copy(update={"network_data": DomainText(inline=text)})

    told = netconfig.remembered(mine, [card(FIRST)])

    assert netconfig.is_told(told, mine, [card(FIRST)])
    assert text == f"{HEAD}}}}}" or not netconfig.is_told(told, SEED, [card(FIRST)])
