"""What is said of a network: the sum of what its nodes report, and whose addresses are on it."""

from collections.abc import Iterable

from drover.api.network import VirtualNetworkStatus
from drover.planning.address import window
from drover.planning.conditions import stamp
from drover.planning.pool import ready
from drover.planning.use import NOBODY, Use
from drover.planning.view import HypervisorView, NetworkView


def status(
    network: NetworkView, hypervisors: Iterable[HypervisorView], *, now: str, use: Use = NOBODY
) -> VirtualNetworkStatus:
    """Sum up the network."""
    nodes = [
        reported.model_copy(update={"name": each.meta.key.name})
        for each in hypervisors
        for reported in each.status.networks or []
        if reported.name == network.meta.key.name
    ]
    nodes.sort(key=lambda node: node.name)
    found = ready([(node.name, node.ready, node.message) for node in nodes])
    return VirtualNetworkStatus(
        observed_generation=network.meta.generation,
        conditions=stamp([found], network.status.conditions or [], now=now, generation=network.meta.generation),
        capacity=window(network).size,
        allocated=use.allocated,
        in_use_count=use.count,
        in_use_by=use.told,
        nodes=nodes or None,
    )
