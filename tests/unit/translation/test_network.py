"""Networks: what libvirt is told, and what dnsmasq reads."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.schemas import valid

from drover.api.network import Subnet, VirtualNetworkSpec
from drover.state.host import Reservation
from drover.translation import network
from drover.translation.xml import parse

DIRECTORY = PurePosixPath("/var/lib/drover/networks/shop")
RESERVATION = Reservation("02:00:00:00:00:01", "10.20.0.5", "shop", "web")


def make_spec(cidr: str = "10.20.0.0/24", gateway: str = "10.20.0.1", **more: object) -> VirtualNetworkSpec:
    servers = more.pop("dns_servers", None)
    subnet = Subnet(name="v4", cidr=cidr, gateway=gateway, dns_servers=servers)
    return VirtualNetworkSpec(type="NAT", subnets=[subnet], **more)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(make_spec(), id="plain"),
        pytest.param(make_spec("10.0.0.0/12", "10.15.255.254", domain="shop.example.org"), id="large-with-domain"),
        pytest.param(make_spec(dns_servers=["9.9.9.9", "1.1.1.1"]), id="with-name-servers"),
    ],
)
def test_libvirt_accepts_a_network(spec: VirtualNetworkSpec) -> None:
    assert valid("network", parse(network.document("shop", spec, DIRECTORY))) == ""


@pytest.mark.parametrize(
    "option",
    [
        pytest.param("dhcp-range=10.20.0.0,static,255.255.255.0,12h", id="only-reserved-addresses"),
        pytest.param("dhcp-ignore-names", id="no-name-of-the-guest's-choice"),
        pytest.param("dhcp-hostsdir=/var/lib/drover/networks/shop/hosts", id="reservations"),
        pytest.param("hostsdir=/var/lib/drover/networks/shop/names", id="names"),
    ],
)
def test_dnsmasq_is_told(option: str) -> None:
    assert option in network.options(make_spec(), DIRECTORY)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("default", "dr-default", id="short"),
        pytest.param("twelve-chars", "dr-twelve-chars", id="just-fits"),
        pytest.param("thirteen-char", "dr-thirt_3adc6c", id="too-long"),
    ],
)
def test_a_bridge_is_called_after_its_network(name: str, expected: str) -> None:
    assert network.bridge(name) == expected


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?", fullmatch=True))
def test_the_kernel_takes_the_name_of_every_bridge(name: str) -> None:
    assert len(network.bridge(name)) <= 15


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(make_spec("10.20.0.0/16"), id="cidr"),
        pytest.param(make_spec(gateway="10.20.0.254"), id="gateway"),
        pytest.param(make_spec(domain="other.internal"), id="domain"),
        pytest.param(make_spec(dns_servers=["9.9.9.9"]), id="name-servers"),
    ],
)
def test_a_changed_network_has_another_fingerprint(other: VirtualNetworkSpec) -> None:
    ours, theirs = (network.document("shop", spec, DIRECTORY) for spec in (make_spec(), other))

    assert network.fingerprint(ours) != network.fingerprint(theirs)


def test_the_domain_is_called_after_the_network_unless_it_has_one() -> None:
    assert network.domain("shop", make_spec()) == "shop.internal"
    assert network.domain("shop", make_spec(domain="example.org")) == "example.org"


def test_a_reservation_gives_one_address_to_one_hardware_address() -> None:
    line = network.reservation(RESERVATION)

    assert line == "02:00:00:00:00:01,10.20.0.5,web\n"
    assert network.reserved_address(line) == "10.20.0.5"


def test_a_broken_line_reserves_nothing() -> None:
    assert network.reserved_address("broken\n") == ""


def test_a_name_holds_machine_namespace_and_domain() -> None:
    assert network.names(RESERVATION, "shop.internal") == "10.20.0.5 web.shop.shop.internal\n"


def test_the_gateway_is_read_back_from_a_document() -> None:
    assert network.gateway(network.document("shop", make_spec(), DIRECTORY), "10.20.0.9") == "10.20.0.1"
    assert network.gateway(network.document("shop", make_spec(), DIRECTORY), "10.30.0.9") == ""


SIX = Subnet(name="v6", cidr="fd00:20::/64", gateway="fd00:20::1")
FOUR = Subnet(name="v4", cidr="10.20.0.0/24", gateway="10.20.0.1")
TYPES = {
    "nat": VirtualNetworkSpec(type="NAT", subnets=[FOUR, SIX]),
    "routed": VirtualNetworkSpec(type="Routed", subnets=[FOUR]),
    "isolated": VirtualNetworkSpec(type="Isolated", subnets=[FOUR]),
    "overlay": VirtualNetworkSpec(type="Overlay", overlay={"vni": 7}, subnets=[FOUR, SIX]),
    "bridge": VirtualNetworkSpec(type="Bridge", bridge={"name": "br0"}),
    "vlan": VirtualNetworkSpec(type="Bridge", bridge={"name": "br0", "vlan": 5}),
    "direct": VirtualNetworkSpec(type="Direct", direct={"device": "eth1"}),
}
FORWARD = {"nat": "nat", "routed": "route", "isolated": None, "overlay": "open", "bridge": "bridge", "direct": "bridge"}


@pytest.mark.parametrize("case", TYPES)
def test_libvirt_accepts_a_network_of_every_type(case: str) -> None:
    tree = parse(network.document("shop", TYPES[case], DIRECTORY))
    assert valid("network", tree) == ""


@pytest.mark.parametrize("case", FORWARD)
def test_how_guests_get_out_is_the_type(case: str) -> None:
    forward = parse(network.document("shop", TYPES[case], DIRECTORY)).find("forward")
    assert (None if forward is None else forward.get("mode")) == FORWARD[case]


def test_two_types_have_two_fingerprints() -> None:
    found = {network.fingerprint(network.document("shop", spec, DIRECTORY)) for spec in TYPES.values()}
    assert len(found) == len(TYPES)


def test_an_overlay_leaves_room_for_its_own_header() -> None:
    document = network.document("shop", TYPES["overlay"], DIRECTORY)
    assert "dhcp-option=option:mtu,1450" in document
    assert "dhcp-range=fd00:20::,static,64,12h" in document


@pytest.mark.parametrize(
    ("reservation", "line", "names"),
    [
        pytest.param(RESERVATION, "02:00:00:00:00:01,10.20.0.5,web\n", "10.20.0.5 web.shop.z\n", id="ipv4"),
        pytest.param(
            replace(RESERVATION, ipv6="fd00::5"),
            "02:00:00:00:00:01,10.20.0.5,[fd00::5],web\n",
            "10.20.0.5 web.shop.z\nfd00::5 web.shop.z\n",
            id="both",
        ),
        pytest.param(
            replace(RESERVATION, ip="", ipv6="fd00::5"),
            "02:00:00:00:00:01,[fd00::5],web\n",
            "fd00::5 web.shop.z\n",
            id="ipv6",
        ),
    ],
)
def test_a_reservation_has_the_addresses_of_both_families(reservation: Reservation, line: str, names: str) -> None:
    assert (network.reservation(reservation), network.names(reservation, "z")) == (line, names)


def test_the_kernel_takes_the_names_of_our_links() -> None:
    found = (network.tap("uuid", "lan"), network.tap("uuid", "dmz"), network.trunk("over"))
    assert (len(set(found)), max(map(len, found))) == (3, 14)
