"""Captured images as the controller keeps them: who is told to capture when, and who lets them go."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest
from tests.unit.controllers.cosmos import WEB, Controller, Cosmos

from drover.api import kinds
from drover.api.kinds import Kind
from drover.controllers import image
from drover.controllers.tally import Tally
from drover.planning import names
from drover.planning.use import Use
from drover.state.resource import Key

GOLDEN = Key("shop", "golden")
SPEC = {"type": "Disk", "source": {"type": "Volume", "volume": {"name": "notes"}}}
SHA = "sha256:" + "a" * 64


def run(story: Coroutine[Any, Any, None]) -> None:
    """Tell a story to its end."""
    asyncio.run(story)


async def begin(*, access: str = "NodeLocal", source: Any = SPEC["source"], **volume: Any) -> tuple[Cosmos, Controller]:
    """A cluster with an image of a volume."""
    cosmos = Cosmos(Random(0), access=access)
    await cosmos.furnish()
    await cosmos.client.create(
        kinds.IMAGE, {"metadata": {"name": "golden", "namespace": "shop"}, "spec": {**SPEC, "source": source}}
    )
    if volume:
        await make_volume(cosmos, **volume)
    return cosmos, cosmos.controllers[0]


async def make_volume(cosmos: Cosmos, **status: Any) -> None:
    """Make the volume."""
    metadata = {"name": "notes", "namespace": "shop"}
    body = {"metadata": metadata, "spec": {"pool": "default", "size": "1Gi"}, "status": status}
    await cosmos.client.create(kinds.VOLUME, body)


async def look(controller: Controller) -> dict[str, Any]:
    """Have the controller look at the image; give its status."""
    controller.caches.hear()
    await image.reconcile(GOLDEN, controller.world)
    controller.caches.hear()
    return dict(controller.etcd.objects[kinds.IMAGE, GOLDEN].get("status", {}))


def ready(status: dict[str, Any]) -> str:
    return next(str(each["reason"]) for each in status["conditions"] if each["type"] == "Ready")


def report(cosmos: Cosmos, **file: Any) -> None:
    """Have n1 report the captured image."""
    uid = cosmos.etcd.objects[kinds.IMAGE, GOLDEN]["metadata"]["uid"]
    found = {"image": str(GOLDEN), "url": f"volume://default/{uid}", "digest": SHA, **file}
    key = Key("", "n1")
    cosmos.etcd.put(
        kinds.HYPERVISOR, key, {**cosmos.etcd.objects[kinds.HYPERVISOR, key], "status": {"images": [found]}}
    )


def test_a_node_is_told_to_capture_when_the_volume_has_data() -> None:
    async def story() -> None:
        cosmos, controller = await begin()
        assert ready(await look(controller)) == "VolumeNotFound"
        await make_volume(cosmos, nodeName="n1", pool="default")

        status = await look(controller)

        assert (status["nodeName"], ready(status)) == ("n1", "Capturing")
        metadata = cosmos.etcd.objects[kinds.IMAGE, GOLDEN]["metadata"]
        assert metadata["finalizers"] == [names.FINALIZER_IMAGE]
        report(cosmos)
        status = await look(controller)
        assert (status["digest"], ready(status)) == (SHA, "Held")
        assert controller.world.tally.use(kinds.POOL, Key("", "default")).names == ("shop/golden", "shop/notes")

    run(story())


def test_changes_of_the_volume_and_its_users_have_the_image_looked_at_until_it_is_whole() -> None:
    async def story() -> None:
        cosmos, controller = await begin(nodeName="n1", pool="default")
        await look(controller)
        wake(cosmos, controller)
        assert GOLDEN in taken(controller)
        report(cosmos)
        await look(controller)
        taken(controller)
        wake(cosmos, controller)
        assert GOLDEN not in taken(controller)

    run(story())


def wake(cosmos: Cosmos, controller: Controller) -> None:
    """Change the volume."""
    key = Key("shop", "notes")
    found = cosmos.etcd.objects[kinds.VOLUME, key]
    cosmos.etcd.put(kinds.VOLUME, key, {**found, "status": {**found["status"], "allocated": str(controller.clock)}})
    controller.caches.hear()


def taken(controller: Controller, kind: Kind = kinds.IMAGE) -> set[Key]:
    """What is to be looked at."""
    controller.clock += 20.0
    keys = set()
    while (key := controller.queues[kind].take()) is not None:
        controller.queues[kind].done(key)
        keys.add(key)
    return keys


def test_a_machine_is_looked_at_when_its_image_is_captured() -> None:
    async def story() -> None:
        cosmos, controller = await begin(nodeName="n1", pool="default")
        await look(controller)
        controller.world.links.refer(WEB, frozenset({(kinds.IMAGE.plural, str(GOLDEN))}))
        taken(controller, kinds.VIRTUALMACHINE)
        report(cosmos)
        await look(controller)
        assert WEB in taken(controller, kinds.VIRTUALMACHINE)
        await look(controller)
        assert WEB not in taken(controller, kinds.VIRTUALMACHINE)

    run(story())


def test_the_disk_of_a_machine_is_captured_when_that_is_stopped() -> None:
    async def story() -> None:
        cosmos, controller = await begin(source={"type": "VirtualMachine", "virtualMachine": {"name": "web"}})
        assert ready(await look(controller)) == "VirtualMachineNotFound"
        taken(controller)
        await cosmos.create(interfaces=[], disks=[{"name": "root", "volume": "notes"}], powerState="Stopped")
        controller.caches.hear()
        assert GOLDEN in taken(controller)
        assert ready(await look(controller)) == "VolumeNotFound"
        await make_volume(cosmos, nodeName="n1", pool="default")
        assert (await look(controller))["capture"]["volume"] == "notes"

    run(story())


@pytest.mark.parametrize("begun", [False, True])
def test_an_image_is_let_go_by_whoever_has_its_data(begun: bool) -> None:  # noqa: FBT001
    async def story() -> None:
        cosmos, controller = await begin(**({"nodeName": "n1", "pool": "default"} if begun else {}))
        await look(controller)
        cosmos.etcd.mark(kinds.IMAGE, GOLDEN)
        controller.caches.hear()

        delay = await image.reconcile(GOLDEN, controller.world)

        assert ((kinds.IMAGE, GOLDEN) in cosmos.etcd.objects) is begun
        assert (delay is not None) is begun

    run(story())


def test_a_controller_that_did_not_hear_of_a_capture_asks_before_it_lets_an_image_go() -> None:
    async def story() -> None:
        cosmos, controller = await begin()
        await look(controller)
        cosmos.etcd.mark(kinds.IMAGE, GOLDEN)
        controller.caches.hear()
        found = cosmos.etcd.objects[kinds.IMAGE, GOLDEN]
        cosmos.etcd.put(kinds.IMAGE, GOLDEN, {**found, "status": {"nodeName": "n1"}})

        await image.reconcile(GOLDEN, controller.world)

        assert (kinds.IMAGE, GOLDEN) in cosmos.etcd.objects

    run(story())


def test_an_image_on_a_node_that_was_taken_out_of_the_cluster_is_let_go() -> None:
    async def story() -> None:
        cosmos, controller = await begin(nodeName="n1", pool="default")
        await look(controller)
        cosmos.etcd.mark(kinds.IMAGE, GOLDEN)
        del cosmos.etcd.objects[kinds.NODE, Key("", "n1")]
        cosmos.agents.muted.add("n1")
        controller.caches.hear()

        await image.reconcile(GOLDEN, controller.world)

        assert (kinds.IMAGE, GOLDEN) not in cosmos.etcd.objects

    run(story())


def test_of_a_pool_that_several_nodes_see_another_one_clears_up() -> None:
    async def story() -> None:
        cosmos, controller = await begin(access="Shared", nodeName="n1", pool="default")
        await look(controller)
        cosmos.etcd.mark(kinds.IMAGE, GOLDEN)
        cosmos.agents.muted.add("n1")

        assert (await look(controller))["nodeName"] == "n2"

    run(story())


def test_what_does_not_hold_our_finalizer_any_more_is_left_alone() -> None:
    async def story() -> None:
        cosmos, controller = await begin()
        found = cosmos.etcd.objects[kinds.IMAGE, GOLDEN]
        metadata = {**found["metadata"], "finalizers": ["example.org/theirs"]}
        cosmos.etcd.put(kinds.IMAGE, GOLDEN, {**found, "metadata": metadata})
        cosmos.etcd.mark(kinds.IMAGE, GOLDEN)
        controller.caches.hear()

        assert await image.reconcile(GOLDEN, controller.world) is None
        assert (kinds.IMAGE, GOLDEN) in cosmos.etcd.objects

    run(story())


def test_nobody_uses_a_pool_of_which_nothing_was_said() -> None:
    assert Tally().use(kinds.POOL, Key("", "default")) == Use()
