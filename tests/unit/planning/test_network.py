"""Networks: what an older one of the zone has, a newer one does not get."""

from typing import Any

import pytest
from tests.support.machines import NOW, make_hypervisor, make_network

from drover.planning.conditions import find
from drover.planning.network import accepted, status
from drover.planning.view import NetworkView

Spec = dict[str, Any]
V4 = {"name": "v4", "cidr": "10.30.0.0/24", "gateway": "10.30.0.1"}
V6 = {"name": "v6", "cidr": "fd00:30::/64", "gateway": "fd00:30::1"}
OVERLAY: Spec = {"type": "Overlay", "overlay": {"vni": 7}, "subnets": [V4]}
BRIDGE: Spec = {"type": "Bridge", "bridge": {"name": "br0"}, "subnets": None}
DIRECT: Spec = {"type": "Direct", "direct": {"device": "eth1"}, "antiSpoofing": "Disabled", "subnets": None}


def _older(**spec: Any) -> NetworkView:
    return make_network("a", **spec)


@pytest.mark.parametrize(
    ("mine", "other", "reason", "said"),
    [
        pytest.param({}, OVERLAY, "Accepted", "", id="nothing in common"),
        pytest.param(OVERLAY | {"subnets": [V6]}, OVERLAY, "VNITaken", "overlay.vni 7 is VirtualNetwork a's", id="vni"),
        pytest.param(BRIDGE, BRIDGE, "VLANTaken", "br0 without a VLAN", id="bridge"),
        pytest.param(BRIDGE, BRIDGE | {"bridge": {"name": "br0", "vlan": 5}}, "Accepted", "", id="another vlan"),
        pytest.param(
            BRIDGE | {"bridge": {"name": "br0", "vlan": 5}},
            BRIDGE | {"bridge": {"name": "br0", "vlan": 5}},
            "VLANTaken",
            "br0 with vlan 5",
            id="vlan",
        ),
        pytest.param(DIRECT, DIRECT, "DeviceTaken", "eth1", id="device"),
        pytest.param({"subnets": [V6, V4]}, {"subnets": [V4]}, "SubnetOverlap", "10.30.0.0/24", id="subnet"),
        pytest.param({"zone": "dc1", "subnets": [V4]}, {"subnets": [V4]}, "Accepted", "", id="another zone"),
    ],
)
def test_what_an_older_network_has_is_taken(
    mine: dict[str, Any], other: dict[str, Any], reason: str, said: str
) -> None:
    newer, older = make_network("b", **mine), _older(**other)
    found = accepted(newer, [newer, older])
    assert (found.reason, said in found.message) == (reason, True)
    assert accepted(older, [newer, older]).reason == "Accepted"


def test_who_was_accepted_stays_so_whatever_comes_in_the_same_second() -> None:
    condition = {"type": "Accepted", "status": "True", "reason": "Accepted", "lastTransitionTime": NOW}
    known = make_network("z", status={"conditions": [condition]}, **OVERLAY)
    late = make_network("a", **OVERLAY)
    assert (accepted(known, [known, late]).reason, accepted(late, [known, late]).reason) == ("Accepted", "VNITaken")


def test_a_network_that_is_not_accepted_is_not_ready_and_says_why() -> None:
    newer = make_network("b", **OVERLAY)
    found = status(newer, [make_hypervisor(networks=[{"name": "b", "ready": True}])], [_older(**OVERLAY)], now=NOW)
    ready = find(found.conditions, "Ready")
    assert ready is not None
    assert (ready.status, ready.reason, "VirtualNetwork a" in ready.message) == ("False", "VNITaken", True)


def test_ipv6_addresses_that_end_before_they_begin_are_refused_by_name() -> None:
    backwards: Spec = {"subnets": [V6 | {"allocation": {"start": "fd00:30::9", "end": "fd00:30::3"}}]}
    found = accepted(make_network("b", **backwards), [])
    assert (found.status, found.reason) == ("False", "InvalidSpec")
    assert "subnet v6: allocation.start fd00:30::9 lies after allocation.end fd00:30::3" in found.message
    forwards: Spec = {"subnets": [V6 | {"allocation": {"start": "fd00:30::3", "end": "fd00:30::9"}}]}
    assert accepted(make_network("b", **forwards), []).status == "True"


def test_where_each_node_takes_packets_is_told() -> None:
    reported = {"name": "b", "ready": True, "address": "192.0.2.1"}
    found = status(make_network("b", **OVERLAY), [make_hypervisor(networks=[reported])], now=NOW)
    assert [(each.name, each.address) for each in found.nodes or ()] == [("n1", "192.0.2.1")]
