"""The pool and network of machines that name none: made once, and never again after somebody deleted them."""

from collections.abc import Mapping
from ipaddress import IPv4Network

from drover.api.kinds import NETWORK, POOL, Kind
from drover.state.resource import Meta

ANNOTATION_MADE = "drover.dev/defaults"
"""On the controller's Lease: that they were made."""
NAME = "default"


def due(lease: Meta | None) -> bool:
    """Tell whether they were never made; `lease` is the controller's."""
    return lease is not None and not lease.annotation("defaults")


def bodies(path: str, network: IPv4Network) -> list[tuple[Kind, Mapping[str, object]]]:
    """Build a pool in a directory of each node and a network behind each node's address."""
    pool = {"type": "Directory", "directory": {"path": path}, "default": True}
    subnet = {"name": "v4", "cidr": str(network), "gateway": str(network[1])}
    shared = {"type": "NAT", "default": True, "subnets": [subnet]}
    metadata = {"metadata": {"name": NAME}}
    return [(POOL, {**metadata, "spec": pool}), (NETWORK, {**metadata, "spec": shared})]
