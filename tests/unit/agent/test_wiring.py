"""The wires of guests on a node: filters before the guest, live changes, overlays, and what the host lacks."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.domains import NIC
from tests.unit.agent.world import ACCEPTED, ADDRESS, KEY, UUID, World

from drover.agent import network
from drover.api.kinds import ADDRESS as ALLOCATION
from drover.api.kinds import DOMAIN, NETWORK, SECURITYGROUP
from drover.errors import NotReady, OperatorError, Unsupported
from drover.planning.hypervisor import Shared
from drover.planning.names import LABEL_OVERLAY
from drover.state.resource import Key
from drover.translation.network import tap, trunk

TAP = tap(UUID, str(NIC["name"]))
OVER = Key("", "over")
SUBNET = {"name": "v4", "cidr": "10.30.0.0/24", "gateway": "10.30.0.1"}
OVERLAY = {"type": "Overlay", "overlay": {"vni": 7}, "subnets": [SUBNET]}
HTTP = {"name": "http", "protocol": "TCP", "ports": ["80"]}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def running(world: World, **interface: Any) -> World:
    """Bring a guest up."""
    world.order(disks=[], interfaces=[{**NIC, **interface}])
    await world.reconcile()
    return world


async def test_the_filter_is_there_before_the_guest(world: World) -> None:
    world.wires.fails["guard"] = NotReady("nft: no", reason="FilterFailed")
    world.order(disks=[], interfaces=[NIC])
    with pytest.raises(NotReady):
        await world.reconcile()
    assert world.host.boots == 0
    await world.reconcile()
    assert (world.host.boots, list(world.wires.ports), world.wires.ports[TAP].bound) == (1, [TAP], True)


async def test_a_group_that_is_added_is_live_and_so_is_a_rule(world: World) -> None:
    await running(world)
    world.put(SECURITYGROUP, Key("shop", "web"), {"spec": {}})
    world.order(interfaces=[{**NIC, "securityGroups": ["web"]}])
    await world.reconcile()
    assert (world.wires.ports[TAP].guarded, world.wires.ports[TAP].rules) == (True, ())

    world.put(SECURITYGROUP, Key("shop", "web"), {"spec": {"rules": [HTTP]}})
    await world.reconcile()
    assert [rule.name for rule in world.wires.ports[TAP].rules] == ["web/http"]
    assert world.host.boots == 1


async def test_a_cable_is_pulled_out_once(world: World) -> None:
    await running(world)
    world.order(interfaces=[{**NIC, "link": "Down"}])
    await world.reconcile()
    await world.reconcile()
    assert world.host.calls.count("set_link Down") == 1


async def test_an_address_that_changes_at_the_next_start_leaves_the_filter_as_it_is(world: World) -> None:
    await running(world)
    world.order(interfaces=[{**NIC, "ip": "10.20.0.99"}])
    await world.reconcile()
    assert world.wires.ports[TAP].addresses == (NIC["ip"],)


async def test_filters_outlive_the_agent_and_go_with_the_guest(world: World) -> None:
    await running(world)
    again = world.reborn()
    await again.reconcile()
    assert list(again.wires.ports) == [TAP]
    again.delete(DOMAIN, KEY)
    again.order(powerState="Stopped", terminationGracePeriodSeconds=0)
    for _ in range(3):
        await again.reconcile()
    assert again.wires.ports == {}


async def test_a_filter_that_somebody_threw_away_is_put_up_again(world: World) -> None:
    await running(world)
    world.wires.ports.clear()
    await world.node.cabling.check()
    assert world.woken == [KEY]
    await world.reconcile()
    assert list(world.wires.ports) == [TAP]


async def test_a_filter_of_nobody_is_taken_down_once_all_is_known(world: World) -> None:
    await running(world)
    world.wires.ports["dtgone"] = world.wires.ports[TAP]
    await world.node.cabling.check()
    assert "dtgone" in world.wires.ports
    await world.node.survey.look()
    await world.node.cabling.check()
    assert list(world.wires.ports) == [TAP]


async def test_the_filter_of_an_interface_that_is_plugged_in_stays_whoever_knows_of_it(world: World) -> None:
    await running(world)
    world.wires.ports["dtgone"] = world.wires.ports[TAP]
    await world.node.survey.look()
    world.wires.devices.add("dtgone")
    await world.node.cabling.check()
    assert "dtgone" in world.wires.ports


async def test_a_guest_can_be_deleted_where_there_is_no_nft(world: World) -> None:
    await running(world)
    world.wires.fails["unguard"] = Unsupported("nft is not installed on this node")
    world.delete(DOMAIN, KEY)
    world.order(powerState="Stopped", terminationGracePeriodSeconds=0)
    for _ in range(3):
        await world.reconcile()
    assert (DOMAIN, KEY) not in world.etcd.objects


async def test_macvtap_has_no_filter(world: World) -> None:
    spec = {"type": "Direct", "direct": {"device": "eth1"}, "antiSpoofing": "Disabled"}
    world.wires.devices.add("eth1")
    world.put(NETWORK, Key("", "default"), {"spec": spec})
    await running(world)
    assert (world.wires.ports, world.host.leases, world.host.boots) == ({}, {}, 1)


# --- overlays and networks of the host ------------------------------------------------------------------------------


def reported(world: World) -> Shared:
    """What is said of the overlay."""
    found = world.node.shared.networks["over"]
    assert found is not None
    return found


def told(*nodes: tuple[str, str]) -> dict[str, Any]:
    return {**ACCEPTED, "nodes": [{"name": name, "ready": True, "address": address} for name, address in nodes]}


async def test_an_overlay_is_connected_with_the_other_nodes_that_have_it(world: World) -> None:
    world.put(NETWORK, OVER, {"spec": OVERLAY, "status": told(("n1", ADDRESS), ("n2", "192.0.2.2"), ("n3", ""))})
    await network.reconcile(world.node, OVER)
    found = world.wires.overlays[trunk("over")]
    assert (found.vni, found.mtu, found.local, found.peers) == (7, 1450, ADDRESS, ("192.0.2.2",))
    assert reported(world).address == ADDRESS


async def test_an_overlay_that_is_gone_is_disconnected(world: World) -> None:
    world.put(NETWORK, OVER, {"spec": OVERLAY, "status": ACCEPTED})
    await network.reconcile(world.node, OVER)
    world.etcd.drop(NETWORK, OVER)
    world.caches.hear()
    await network.reconcile(world.node, OVER)
    assert world.wires.overlays == {}


def allocation(address: str, mac: str) -> dict[str, Any]:
    owner = {"namespace": "shop", "name": "far", "uid": "uid-far"}
    spec = {"network": "over", "address": address, "macAddress": mac, "virtualMachine": owner, "interface": "lan"}
    return {"spec": spec, "metadata": {"labels": {LABEL_OVERLAY: "true"}}}


async def test_the_names_of_machines_elsewhere_are_answered_until_they_are_gone(world: World) -> None:
    mac = "02:00:00:00:00:77"
    world.put(NETWORK, OVER, {"spec": OVERLAY, "status": ACCEPTED})
    for name, address in (("over-4", "10.30.0.9"), ("over-6", "fd00::9")):
        world.put(ALLOCATION, Key("", name), allocation(address, mac))
    await network.reconcile(world.node, OVER)
    found = world.host.leases["over", mac]
    assert (found.ip, found.ipv6, found.machine, found.silent) == ("10.30.0.9", "fd00::9", "far", True)
    for name in ("over-4", "over-6"):
        world.etcd.drop(ALLOCATION, Key("", name))
    world.caches.hear()
    await world.node.survey.look()
    await network.reconcile(world.node, OVER)
    assert world.host.leases == {}


BRIDGE = {"type": "Bridge", "bridge": {"name": "br0"}}
VLAN = {"type": "Bridge", "bridge": {"name": "br0", "vlan": 5}}
DIRECT = {"type": "Direct", "direct": {"device": "eth1"}, "antiSpoofing": "Disabled"}
REFUSED = {
    "type": "Accepted",
    "status": "False",
    "reason": "VNITaken",
    "message": "m",
    "lastTransitionTime": "2026-11-21T12:00:00Z",
}


@pytest.mark.parametrize(
    ("body", "bridges", "reason"),
    [
        pytest.param({"spec": BRIDGE}, {}, "BridgeNotFound", id="no-bridge"),
        pytest.param({"spec": DIRECT}, {}, "DeviceNotFound", id="no-device"),
        pytest.param({"spec": VLAN}, {"br0": False}, "VLANUnsupported", id="no-vlans"),
        pytest.param({"spec": VLAN}, {"br0": True}, "VLANUnsupported", id="old-libvirt"),
        pytest.param({"spec": OVERLAY, "status": {"conditions": [REFUSED]}}, {}, "VNITaken", id="not-accepted"),
    ],
)
async def test_what_the_host_lacks_is_said(
    world: World, body: dict[str, Any], bridges: dict[str, bool], reason: str
) -> None:
    world.wires.bridges = bridges
    world.put(NETWORK, OVER, {"status": ACCEPTED, **body})
    with pytest.raises(OperatorError) as caught:
        await network.reconcile(world.node, OVER)
    assert (caught.value.reason, reported(world).trouble) == (reason, str(caught.value))


async def test_a_network_is_left_alone_until_it_is_known_that_no_other_has_what_it_asks_for(world: World) -> None:
    world.put(NETWORK, OVER, {"spec": OVERLAY})
    with pytest.raises(OperatorError, match="not known yet"):
        await network.reconcile(world.node, OVER)
    assert (world.wires.overlays, "over" in world.node.shared.networks) == ({}, False)
    world.put(NETWORK, OVER, {"spec": OVERLAY, "status": ACCEPTED})
    await network.reconcile(world.node, OVER)
    assert reported(world).trouble == ""


async def test_a_bridge_of_the_host_is_used_as_it_is(world: World) -> None:
    world.wires.bridges = {"br0": False}
    world.put(NETWORK, OVER, {"spec": BRIDGE, "status": ACCEPTED})
    await network.reconcile(world.node, OVER)
    assert "over" in world.host.networks
