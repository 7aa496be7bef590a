"""What the guests use: gathered beside the reconciles, and only while somebody asks for it."""

import asyncio
from functools import partial

from drover.agent.node import Node
from drover.metrics.agent import GuestMeters, Meter
from drover.runtime.patience import patiently
from drover.state.host import GuestSample

EVERY_SECONDS = 10.0


async def run(node: Node, meters: GuestMeters) -> None:
    """Gather until cancelled."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        if meters.wanted:
            await patiently("measure the guests", partial(_gather, node, meters), pause=EVERY_SECONDS)


async def _gather(node: Node, meters: GuestMeters) -> None:
    samples = await node.host.samples(node.survey.running)
    meters.show([meter for sample in samples if (meter := _meter(node, sample))])


def _meter(node: Node, sample: GuestSample) -> Meter | None:
    record = node.survey.record(sample.uuid)
    return Meter(record.namespace, record.machine, sample) if record else None
