"""What libvirt has and nobody orders: pools and networks deleted while no agent was there to hear it, passphrases."""

import asyncio
from functools import partial

from drover.agent.node import Node
from drover.api.kinds import NETWORK, POOL, Kind
from drover.runtime.patience import patiently
from drover.runtime.reconciler import Reconciler
from drover.state.resource import Key

LOOK_SECONDS = 60.0


async def run(node: Node, queues: dict[Kind, Reconciler]) -> None:
    """Look again and again until cancelled; begin only when the API server has been read."""
    while True:
        await node.host.wait_connected()
        await patiently("look for what nobody orders", partial(look, node, queues))
        await asyncio.sleep(LOOK_SECONDS)


async def look(node: Node, queues: dict[Kind, Reconciler]) -> None:
    """Have those taken down that no order names, and passphrases forgotten that an agent before this one lent."""
    await node.host.safe.sweep()
    if not node.orders.primed:
        return
    for kind, names in ((POOL, await node.host.pool_names()), (NETWORK, await node.host.network_names())):
        ordered = set(node.orders.keys(kind))
        for key in (Key("", name) for name in names):
            if key not in ordered:
                queues[kind].queue.add(key)
