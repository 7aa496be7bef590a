"""The link of an overlay: what the programs say is read, and what they are told makes the link as it should be."""

import pytest

from drover.state.host import Overlay
from drover.translation import vxlan
from drover.translation.vxlan import Link

OVERLAY = Overlay("dv1", "dr-over", 77, 1450, "192.0.2.1", ("192.0.2.2", "192.0.2.3"), ("10.30.0.0/24",), ())


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        pytest.param([{"linkinfo": {"info_data": {"id": 77, "local": "192.0.2.1"}}}], Link(77, "192.0.2.1"), id="ours"),
        pytest.param([{"linkinfo": {"info_data": {"id": 7, "local6": "fd00::1"}}}], Link(7, "fd00::1"), id="ipv6"),
        pytest.param([{}], Link(0, ""), id="no-vxlan"),
        pytest.param([], Link(0, ""), id="nothing"),
    ],
)
def test_a_link_is_read(shown: list[dict[str, object]], expected: Link) -> None:
    assert vxlan.link(shown) == expected


def test_a_link_of_another_number_or_address_does_not_fit() -> None:
    known = (Link(77, "192.0.2.1"), Link(78, "192.0.2.1"), Link(77, "192.0.2.9"))
    assert [vxlan.fits(each, OVERLAY) for each in known] == [True, False, False]


def test_a_link_is_made_and_plugged_in_and_the_node_speaks_by_its_own_address() -> None:
    assert vxlan.make(OVERLAY).splitlines() == [
        "link add dv1 type vxlan id 77 local 192.0.2.1 dstport 4789",
        "link set dv1 mtu 1450 master dr-over up",
        "route replace 10.30.0.0/24 dev dr-over proto static scope link src 192.0.2.1",
    ]


def test_between_nodes_that_speak_ipv6_no_ipv4_route_is_set() -> None:
    six = Overlay("dv1", "dr-over", 77, 1450, "fd00::1", (), ("10.30.0.0/24",), ())
    assert vxlan.plug(six) == "link set dv1 mtu 1450 master dr-over up\n"


def test_a_link_is_taken_down() -> None:
    assert vxlan.delete("dv1") == "link delete dv1\n"


def test_frames_for_everybody_go_to_the_peers_that_there_are() -> None:
    shown = '[{"mac": "00:00:00:00:00:00", "dst": "192.0.2.9"}, {"mac": "02:00:00:00:00:01", "dst": "192.0.2.8"}, {}]'
    assert vxlan.peers(shown) == {"192.0.2.9"}
    assert vxlan.flood(OVERLAY, vxlan.peers(shown)).splitlines() == [
        "fdb del 00:00:00:00:00:00 dev dv1 dst 192.0.2.9",
        "fdb append 00:00:00:00:00:00 dev dv1 dst 192.0.2.2",
        "fdb append 00:00:00:00:00:00 dev dv1 dst 192.0.2.3",
    ]


def test_no_entries_are_no_peers() -> None:
    assert vxlan.peers("") == frozenset()
