"""Nodes are said to have the devices that their agents offer, written once."""

import asyncio
from random import Random
from typing import Any

from tests.unit.controllers.cosmos import Controller, Cosmos

from drover.api import kinds
from drover.controllers.nodecapacity import Counter
from drover.state.resource import Key

N1 = Key("", "n1")
CARDS = "nvidia.com/GA102"
CARD = {"address": "0000:01:00.0", "resource": CARDS, "group": 1, "state": "Free"}


def _report(cosmos: Cosmos, *devices: dict[str, Any]) -> None:
    found = cosmos.etcd.objects[kinds.HYPERVISOR, N1]
    status = {**found["status"], "bootID": "boot", "devices": list(devices)}
    cosmos.etcd.put(kinds.HYPERVISOR, N1, {**found, "status": status})


async def _count(cosmos: Cosmos, controller: Controller, counter: Counter) -> tuple[Any, Any, str]:
    """Look twice, the second time at what the first one did; give count, annotation and version."""
    for _ in range(2):
        controller.caches.hear()
        await counter.count()
    found = cosmos.etcd.objects[kinds.NODE, N1]
    count = found.get("status", {}).get("allocatable", {}).get(CARDS)
    metadata = found["metadata"]
    return count, metadata.get("annotations", {}).get("drover.dev/devices"), metadata["resourceVersion"]


def test_a_node_has_what_its_agent_offers_and_is_left_alone_in_between() -> None:
    async def story() -> None:
        cosmos = Cosmos(Random(0))
        await cosmos.furnish()
        controller = cosmos.controllers[0]
        counter = Counter(controller.world)
        assert (await _count(cosmos, controller, counter))[:2] == (None, None)
        _report(cosmos, CARD)
        first = await _count(cosmos, controller, counter)
        again = await _count(cosmos, controller, counter)
        _report(cosmos)

        assert (first[:2], again) == (("1", CARDS), first)
        assert (await _count(cosmos, controller, counter))[:2] == (None, None)

    asyncio.run(story())


def test_a_node_without_an_agent_is_left_alone() -> None:
    async def story() -> None:
        cosmos = Cosmos(Random(0))
        await cosmos.furnish()
        controller = cosmos.controllers[0]
        cosmos.etcd.drop(kinds.HYPERVISOR, N1)

        assert (await _count(cosmos, controller, Counter(controller.world)))[:2] == (None, None)

    asyncio.run(story())


def test_nodes_are_counted_on_until_the_process_ends() -> None:
    async def story() -> None:
        cosmos = Cosmos(Random(0))
        await cosmos.furnish()
        task = asyncio.create_task(Counter(cosmos.controllers[0].world).run())
        await asyncio.sleep(0)
        task.cancel()

        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)

    asyncio.run(story())
