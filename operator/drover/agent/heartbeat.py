"""The heartbeat: a Lease that shows that this node's agent lives, whether or not there is anything to report."""

import os

from drover.kube.client import Cluster
from drover.kube.lease import Heartbeat
from drover.state.lease import NODE_PREFIX
from drover.state.resource import Key


def make_heartbeat(cluster: Cluster, namespace: str, node: str) -> Heartbeat:
    """Make the heartbeat of a node; its holder tells one run of the agent from the next."""
    return Heartbeat(cluster, Key(namespace, f"{NODE_PREFIX}{node}"), f"{node}-{os.getpid()}")
