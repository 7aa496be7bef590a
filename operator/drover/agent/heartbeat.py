"""The heartbeat: a Lease that shows that this node's agent lives, whether or not there is anything to report."""

import asyncio
import os

import structlog

from drover.agent.node import Node
from drover.api.kinds import HYPERVISOR
from drover.errors import Retryable
from drover.kube.client import Cluster
from drover.kube.lease import Heartbeat
from drover.planning.names import MANAGER_AGENT
from drover.state.lease import NODE_PREFIX
from drover.state.resource import Key

RETRY_SECONDS = 2.0
log = structlog.stdlib.get_logger(__name__)


def make_heartbeat(cluster: Cluster, namespace: str, node: str) -> Heartbeat:
    """Make the heartbeat of a node; its holder tells one run of the agent from the next."""
    return Heartbeat(cluster, Key(namespace, f"{NODE_PREFIX}{node}"), f"{node}-{os.getpid()}")


async def announce(node: Node, heartbeat: Heartbeat) -> None:
    """Tell of this boot and that the agent lives, before any order is read, as long as that takes.

    Whoever starts the guests of a silent node elsewhere has their Domains deleted first and looks at the Lease last: so
    either our sign of life is seen and nothing is started elsewhere, or the orders that we read are those to clean up.
    """
    while True:
        try:
            await _tell_boot(node)
            await heartbeat.beat()
        except Retryable as error:
            log.warning("the API server cannot be told of this boot yet", message=str(error))
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return


async def _tell_boot(node: Node) -> None:
    key = Key("", node.identity.name)
    found = await node.cluster.get(HYPERVISOR, key)
    status = (found or {}).get("status") or {}
    if found is not None and status.get("bootID") != node.identity.boot_id:
        content = {"status": {**status, "bootID": node.identity.boot_id}}
        await node.cluster.apply(HYPERVISOR, key, content, manager=MANAGER_AGENT, subresource="status")
