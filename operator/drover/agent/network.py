"""Virtual networks on this node: up where machines need them, and beforehand where every node has them."""

from drover.agent import overlay
from drover.agent.node import Node
from drover.api.base import Condition
from drover.api.network import ON_HOST, VirtualNetworkSpec
from drover.errors import NotReady, OperatorError, Unsupported
from drover.planning.conditions import find
from drover.planning.view import NetworkView
from drover.state.resource import Key

CHECK_SECONDS = 60.0
"""How often a network is looked at although nothing changed: somebody may take it down, its dnsmasq may die."""
LOOK_SECONDS = 30.0
"""How soon a bridge is looked at again that does not filter VLANs: nobody tells when it does."""
VLAN_LIBVIRT = 11
"""First major version of libvirt that sets the VLAN of a guest on a plain bridge."""


async def reconcile(node: Node, key: Key) -> float | None:
    """Have a network that all nodes have, and take down one that is gone."""
    network = node.orders.network(key.name)
    if network is None:
        if node.orders.primed:
            await node.host.remove_network(key.name)
            await overlay.disconnect(node, key.name)
        node.shared.missed(node.shared.networks, key.name)
        return None
    if network.meta.deleting:
        return None
    if network.spec.node_selector and not node.orders.plugged_into(key.name):
        node.shared.missed(node.shared.networks, key.name)
        return None
    await ensure(node, key.name)
    if node.orders.primed and network.spec.type not in ON_HOST:
        elsewhere = await overlay.announce(node, key.name, zone(node, key.name))
        if node.survey.orphans == ():
            await _release_unused(node, key.name, elsewhere)
    return CHECK_SECONDS


async def ensure(node: Node, name: str) -> NetworkView:
    """Have a network up on this node; gives it as it is ordered."""
    network = node.orders.network(name)
    if network is None:
        raise NotReady(f"network {name} does not exist", reason="NetworkNotFound")
    if accepted(network) is None:
        # That is no trouble of this node's: it says nothing of it.
        words = f"it is not known yet whether network {name} asks for what another one has"
        raise NotReady(words, reason="NotAcceptedYet")
    try:
        _check_accepted(network)
        await _check_host(node, network.spec)
        await node.host.ensure_network(name, network.spec)
        await overlay.connect(node, network)
    except OperatorError as error:
        node.shared.saw_network(name, trouble=str(error))
        raise
    node.shared.saw_network(name, address=node.identity.address if network.spec.overlay else "")
    return network


def zone(node: Node, name: str) -> str:
    """DNS domain of a network's machines."""
    network = node.orders.network(name)
    return (network.spec.domain if network else None) or f"{name}.internal"


def _check_accepted(network: NetworkView) -> None:
    """Leave alone a network that asks for what another one has."""
    found = accepted(network)
    if found is not None and found.status == "False":
        raise NotReady(found.message, reason=found.reason)


def accepted(network: NetworkView) -> Condition | None:
    """Find what the controller says of whether another network has what this one asks for; None before it does."""
    return find(network.status.conditions, "Accepted")


async def _check_host(node: Node, spec: VirtualNetworkSpec) -> None:
    """Object to a network of the host's that the host does not have."""
    if spec.direct is not None and not node.wires.has_device(spec.direct.device):
        raise NotReady(f"this node has no interface {spec.direct.device}", reason="DeviceNotFound")
    if spec.bridge is None:
        return
    if not node.wires.has_bridge(spec.bridge.name):
        raise NotReady(f"this node has no bridge {spec.bridge.name}", reason="BridgeNotFound")
    if spec.bridge.vlan is not None:
        await _check_vlan(node, spec.bridge.name)


async def _check_vlan(node: Node, bridge: str) -> None:
    if not node.wires.filters_vlans(bridge):
        words = f"bridge {bridge} of this node does not filter VLANs"
        raise NotReady(words, reason="VLANUnsupported", delay=LOOK_SECONDS)
    version = (await node.host.facts()).libvirt_version
    if int(version.partition(".")[0]) < VLAN_LIBVIRT:
        words = f"libvirt {version} of this node sets no VLANs on bridges; {VLAN_LIBVIRT}.0 does"
        raise Unsupported(words, reason="VLANUnsupported")


async def _release_unused(node: Node, name: str, elsewhere: frozenset[str]) -> None:
    """Forget the reservations of interfaces that no Domain has; guests without a Domain would keep theirs."""
    needed = node.orders.plugged_into(name) | elsewhere
    for mac in await node.host.reservations(name):
        if mac not in needed:
            await node.host.release(name, mac)
