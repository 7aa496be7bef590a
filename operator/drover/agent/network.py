"""Virtual networks on this node: up where machines need them, and beforehand where every node has them."""

from drover.agent.node import Node
from drover.errors import NotReady, OperatorError
from drover.planning.view import NetworkView
from drover.state.resource import Key

CHECK_SECONDS = 60.0
"""How often a network is looked at although nothing changed: somebody may take it down, its dnsmasq may die."""


async def reconcile(node: Node, key: Key) -> float | None:
    """Have a network that all nodes have, and take down one that is gone."""
    network = node.orders.network(key.name)
    if network is None:
        if node.orders.primed:
            await node.host.remove_network(key.name)
        node.shared.missed(node.shared.networks, key.name)
        return None
    if network.meta.deleting:
        return None
    if network.spec.node_selector and not node.orders.plugged_into(key.name):
        node.shared.missed(node.shared.networks, key.name)
        return None
    await ensure(node, key.name)
    if node.orders.primed and node.survey.orphans == ():
        await _release_unused(node, key.name)
    return CHECK_SECONDS


async def ensure(node: Node, name: str) -> NetworkView:
    """Have a network up on this node; gives it as it is ordered."""
    network = node.orders.network(name)
    if network is None:
        raise NotReady(f"network {name} does not exist", reason="NetworkNotFound")
    try:
        await node.host.ensure_network(name, network.spec)
    except OperatorError as error:
        node.shared.saw_network(name, trouble=str(error))
        raise
    node.shared.saw_network(name)
    return network


def zone(node: Node, name: str) -> str:
    """DNS domain of a network's machines."""
    network = node.orders.network(name)
    return (network.spec.domain if network else None) or f"{name}.internal"


async def _release_unused(node: Node, name: str) -> None:
    """Forget the reservations of interfaces that no Domain has; guests without a Domain would keep theirs."""
    needed = node.orders.plugged_into(name)
    for mac in await node.host.reservations(name):
        if mac not in needed:
            await node.host.release(name, mac)
