"""Overlays on this node: the link to the other nodes, whose addresses the network's status tells."""

from drover.agent.node import Node
from drover.api.network import LAYER_MTU, VirtualNetworkSpec
from drover.planning.view import AddressView, NetworkView
from drover.state.host import Overlay, Reservation
from drover.translation import network as translation


async def connect(node: Node, network: NetworkView) -> None:
    """Connect an overlay with the other nodes that have it; of any other network there is nothing to do."""
    name, spec = network.meta.key.name, network.spec
    if spec.overlay is None:
        return
    cidrs = tuple(subnet.cidr for subnet in spec.subnets or () if ":" not in subnet.cidr)
    await node.wires.connect(
        Overlay(
            trunk=translation.trunk(name),
            bridge=translation.bridge(name),
            vni=spec.overlay.vni,
            mtu=spec.overlay.mtu or LAYER_MTU,
            local=node.identity.address,
            peers=_peers(node, network),
            cidrs=cidrs,
            gateways=_gateways(spec),
        )
    )


async def disconnect(node: Node, name: str) -> None:
    """Take the link down of a network that may have been an overlay."""
    await node.wires.disconnect(translation.trunk(name))


def _peers(node: Node, network: NetworkView) -> tuple[str, ...]:
    others = (each for each in network.status.nodes or () if each.name != node.identity.name)
    return tuple(sorted(each.address for each in others if each.address and each.address != node.identity.address))


def _gateways(spec: VirtualNetworkSpec) -> tuple[str, ...]:
    return tuple(subnet.gateway for subnet in spec.subnets or () if subnet.gateway)


async def announce(node: Node, name: str, zone: str) -> frozenset[str]:
    """Answer the names of an overlay's machines on other nodes; gives their hardware addresses."""
    here, there = node.orders.plugged_into(name), dict[str, list[AddressView]]()
    for each in node.orders.addresses(name):
        if each.spec.mac_address not in here:
            there.setdefault(each.spec.mac_address, []).append(each)
    for mac, found in there.items():
        await node.host.reserve(name, zone, _name(mac, found))
    return frozenset(there)


def _name(mac: str, found: list[AddressView]) -> Reservation:
    owner, ips = found[0].spec.virtual_machine, [each.spec.address or "" for each in found]
    four, six = (next((ip for ip in ips if (":" in ip) is colon), "") for colon in (False, True))
    return Reservation(mac, four, owner.namespace, owner.name, ipv6=six, silent=True)
