"""What is said of a network: whether it may be, the sum of what its nodes report, and whose addresses are on it."""

from collections.abc import Iterable
from ipaddress import ip_network

from drover.api.network import VirtualNetworkSpec, VirtualNetworkStatus
from drover.planning.address import number, windows
from drover.planning.conditions import Finding, find, stamp, summary
from drover.planning.pool import ready
from drover.planning.use import NOBODY, Use
from drover.planning.view import HypervisorView, NetworkView


def status(
    network: NetworkView,
    hypervisors: Iterable[HypervisorView],
    others: Iterable[NetworkView] = (),
    *,
    now: str,
    use: Use = NOBODY,
) -> VirtualNetworkStatus:
    """Sum up the network; `others` are all networks, be it among them or not."""
    nodes = [
        reported.model_copy(update={"name": each.meta.key.name})
        for each in hypervisors
        for reported in each.status.networks or []
        if reported.name == network.meta.key.name
    ]
    nodes.sort(key=lambda node: node.name)
    allowed = accepted(network, others)
    usable = ready([(node.name, node.ready, node.message) for node in nodes])
    found = [allowed, usable if allowed.status == "True" else summary([allowed])]
    return VirtualNetworkStatus(
        observed_generation=network.meta.generation,
        conditions=stamp(found, network.status.conditions or [], now=now, generation=network.meta.generation),
        capacity=sum(room.size for room in windows(network)),
        allocated=use.allocated,
        in_use_count=use.count,
        in_use_by=use.told,
        nodes=nodes or None,
    )


def accepted(network: NetworkView, others: Iterable[NetworkView]) -> Finding:
    """Find out whether a network asks for nothing that another one of its zone has, accepted or made before it."""
    if backwards := _backwards(network.spec):
        return Finding("Accepted", "False", "InvalidSpec", backwards)
    for other in sorted(others, key=_rank):
        if _rank(other) < _rank(network) and (other.spec.zone or "") == (network.spec.zone or ""):
            taken = _taken(network.spec, other.spec)
            if taken is not None:
                return Finding("Accepted", "False", taken[0], f"{taken[1]} is VirtualNetwork {other.meta.key.name}'s")
    return Finding("Accepted", "True", "Accepted")


def _backwards(spec: VirtualNetworkSpec) -> str:
    """Say which subnet's addresses end before they begin; of IPv6 the API server cannot tell."""
    for each in spec.subnets or ():
        if each.allocation and number(each.allocation.start) > number(each.allocation.end):
            start, end = each.allocation.start, each.allocation.end
            words = f"allocation.start {start} lies after allocation.end {end}"
            return f"subnet {each.name}: {words}; subnets are immutable, so make the network anew"
    return ""


def _rank(network: NetworkView) -> tuple[bool, str, str]:
    """Put who was accepted first: the times of making are whole seconds."""
    known = find(network.status.conditions, "Accepted")
    return known is None or known.status != "True", network.meta.created, network.meta.key.name


def _taken(spec: VirtualNetworkSpec, other: VirtualNetworkSpec) -> tuple[str, str] | None:
    """Find what two networks cannot both have: reason, and what it is."""
    if spec.overlay and other.overlay and spec.overlay.vni == other.overlay.vni:
        return "VNITaken", f"overlay.vni {spec.overlay.vni}"
    if spec.bridge and spec.bridge == other.bridge:
        vlan = "without a VLAN" if spec.bridge.vlan is None else f"with vlan {spec.bridge.vlan}"
        return "VLANTaken", f"bridge {spec.bridge.name} {vlan}"
    if spec.direct and spec.direct == other.direct:
        return "DeviceTaken", f"direct.device {spec.direct.device}"
    for mine in spec.subnets or ():
        for theirs in other.subnets or ():
            if _overlap(mine.cidr, theirs.cidr):
                return "SubnetOverlap", f"{theirs.cidr}, which overlaps {mine.cidr},"
    return None


def _overlap(one: str, other: str) -> bool:
    first, second = ip_network(one), ip_network(other)
    return first.version == second.version and first.overlaps(second)
