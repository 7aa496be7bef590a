"""Nodes are labelled once, and again only when what their agent says changes."""

import asyncio
from random import Random

from tests.unit.controllers.cosmos import Controller, Cosmos

from drover.api import kinds
from drover.api.kinds import Kind
from drover.controllers.nodelabel import Labeller
from drover.state.resource import Body, Key

N1 = Key("", "n1")


def _report(cosmos: Cosmos, ready: str) -> None:
    found = cosmos.etcd.objects[kinds.HYPERVISOR, N1]
    since = "2026-01-01T00:00:00Z"
    told = {"type": "Ready", "status": ready, "reason": "Told", "message": "", "lastTransitionTime": since}
    cosmos.etcd.put(kinds.HYPERVISOR, N1, {**found, "status": {**found["status"], "conditions": [told]}})


async def _label(cosmos: Cosmos, controller: Controller, labeller: Labeller) -> tuple[str, str]:
    """Look twice, the second time at what the first one did; give label and version."""
    for _ in range(2):
        controller.caches.hear()
        await labeller.label()
    metadata = cosmos.etcd.objects[kinds.NODE, N1]["metadata"]
    return metadata["labels"]["drover.dev/hypervisor"], metadata["resourceVersion"]


def test_a_node_follows_its_agent_and_is_left_alone_in_between() -> None:
    async def story() -> None:
        cosmos = Cosmos(Random(0))
        await cosmos.furnish()
        controller = cosmos.controllers[0]
        _report(cosmos, "True")
        labeller = Labeller(controller.world)
        first = await _label(cosmos, controller, labeller)
        again = await _label(cosmos, controller, labeller)
        _report(cosmos, "False")

        assert (first[0], again) == ("true", first)
        assert (await _label(cosmos, controller, labeller))[0] == "false"

    asyncio.run(story())


def test_a_node_is_looked_at_until_the_process_ends() -> None:
    async def story() -> None:
        cosmos = Cosmos(Random(0))
        await cosmos.furnish()
        task = asyncio.create_task(Labeller(cosmos.controllers[0].world).run())
        await asyncio.sleep(0)
        task.cancel()

        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)

    asyncio.run(story())


def test_what_an_agent_says_while_its_node_is_being_labelled_is_not_lost() -> None:
    async def story() -> None:
        cosmos = Cosmos(Random(0))
        await cosmos.furnish()
        controller = cosmos.controllers[0]
        _report(cosmos, "True")
        controller.caches.hear()
        labeller = Labeller(controller.world)
        _report(cosmos, "False")

        def overtake(_kind: Kind, _body: Body) -> None:
            controller.caches.hear()

        controller.cluster.on_write(overtake)

        await labeller.label()

        assert (await _label(cosmos, controller, labeller))[0] == "false"

    asyncio.run(story())
