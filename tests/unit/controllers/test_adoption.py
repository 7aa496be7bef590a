"""The definition of machines goes and comes back under a running guest: the machine applied anew takes it over."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest
from tests.unit.controllers.cosmos import NODES, WEB, Cosmos

from drover.api import kinds
from drover.controllers.act import do
from drover.kube.errors import Conflict
from drover.planning import action
from drover.planning.adoption import Inherit, Left
from drover.planning.view import view
from drover.state.objects import read_hypervisor
from drover.state.resource import Key, read_meta

CRD = Key("", "virtualmachines.drover.dev")
SPEC: dict[str, Any] = {"disks": [{"name": "root", "size": "1Gi"}]}


def run(story: Coroutine[Any, Any, None]) -> None:
    """Tell a story to its end."""
    asyncio.run(story)


class Story:
    """A machine ran; its definition was removed, and with it the machine; its guest runs on."""

    def __init__(self) -> None:
        self.cosmos = Cosmos(Random(0))
        self.uid = self.node = ""

    async def begin(self, **spec: Any) -> None:
        cosmos = self.cosmos
        await cosmos.furnish()
        await cosmos.create(**SPEC | spec)
        await cosmos.settle()
        self.uid, self.address, self.volume = cosmos.uids[-1], self.addresses(), self.volumes()
        (self.node,) = cosmos.agents.on(self.uid)
        await self.lose()

    async def lose(self) -> None:
        """Remove the definition and let everything settle; then it is there again, and the guest is told of."""
        cosmos, definition = self.cosmos, self.cosmos.etcd.objects[kinds.CRD, CRD]
        cosmos.agents.orphaning = True
        cosmos.etcd.drop(kinds.CRD, CRD)
        cosmos.delete()
        await cosmos.settle()
        cosmos.agents.orphaning = False
        cosmos.etcd.put(kinds.CRD, CRD, definition)
        self.report()

    def report(self) -> None:
        """Have the agents tell of guests that no Domain speaks for."""
        cosmos = self.cosmos
        spoken = {body["spec"]["uuid"] for _, body in cosmos.etcd.every(kinds.DOMAIN)}
        for node in NODES:
            guests = cosmos.agents.hosts[node].guests
            told = [
                {
                    "uuid": uuid,
                    "name": f"shop.{each.name}",
                    "epoch": each.epoch,
                    "machineUID": self.uid,
                    "state": "Running",
                }
                for uuid, each in guests.items()
                if uuid not in spoken
            ]
            key = Key("", node)
            found = cosmos.etcd.objects[kinds.HYPERVISOR, key]
            cosmos.etcd.put(kinds.HYPERVISOR, key, {**found, "status": {**found["status"], "orphans": told}})

    def addresses(self) -> list[str]:
        return [body["spec"]["address"] for _, body in self.cosmos.etcd.every(kinds.ADDRESS)]

    def volumes(self) -> list[str]:
        return [body["metadata"]["uid"] for _, body in self.cosmos.etcd.every(kinds.VOLUME)]

    async def again(self, **spec: Any) -> None:
        await self.cosmos.create(**SPEC | spec)
        await self.cosmos.settle()
        self.report()
        await self.cosmos.settle()


def domain(story: Story) -> dict[str, Any]:
    ((_, body),) = story.cosmos.etcd.every(kinds.DOMAIN)
    return body


def test_the_guest_runs_on_under_the_machine_that_is_applied_anew() -> None:
    async def tell() -> None:
        story = Story()
        await story.begin()
        await story.again()
        spec, new = domain(story)["spec"], story.cosmos.uids[-1]

        assert (spec["uuid"], spec["virtualMachine"]["uid"], spec["nodeName"]) == (story.uid, new, story.node)
        assert (spec["epoch"], story.addresses(), story.volumes()) == (2, story.address, story.volume)
        guest = story.cosmos.agents.hosts[story.node].guests[story.uid]
        assert (guest.starts, guest.state, new in story.cosmos.agents.hosts[story.node].guests) == (1, "Running", False)

    run(tell())


def test_what_was_taken_over_goes_with_the_machine_that_took_it() -> None:
    async def tell() -> None:
        story = Story()
        await story.begin()
        await story.again()
        story.cosmos.delete()
        await story.cosmos.settle()

        assert story.cosmos.left() == {}
        assert story.cosmos.agents.on(story.uid) == []

    run(tell())


def test_a_guest_is_taken_over_again_and_again() -> None:
    async def tell() -> None:
        story = Story()
        await story.begin()
        await story.again()
        first, story.uid = story.uid, story.cosmos.uids[-1]
        await story.lose()
        await story.again()

        assert (domain(story)["spec"]["uuid"], domain(story)["spec"]["epoch"]) == (first, 3)
        assert story.addresses() == story.address

    run(tell())


def test_a_guest_whose_machine_is_to_be_off_is_taken_over_and_stopped() -> None:
    async def tell() -> None:
        story = Story()
        await story.begin()
        await story.again(powerState="Stopped")

        assert story.cosmos.agents.on(story.uid) == []
        assert (story.cosmos.machine() or {})["status"]["phase"] == "Stopped"

    run(tell())


def test_the_guest_keeps_its_uuid_when_it_is_made_elsewhere() -> None:
    async def tell() -> None:
        story = Story()
        await story.begin(disks=[])
        await story.again(disks=[])
        assert (story.cosmos.machine() or {})["status"]["guestUUID"] == story.uid
        story.cosmos.delete(kinds.DOMAIN)
        await story.cosmos.settle()

        assert domain(story)["spec"]["uuid"] == story.uid

    run(tell())


async def orphan(story: Story) -> tuple[Any, Left]:
    """Apply the machine anew; give the first controller, which has not acted yet, and the guest."""
    await story.cosmos.create(**SPEC)
    controller = story.cosmos.controllers[0]
    controller.caches.hear()
    told = view(read_hypervisor(story.cosmos.etcd.objects[kinds.HYPERVISOR, Key("", story.node)])).status
    return controller.world, Left(story.node, (told.orphans or [])[0])


@pytest.mark.parametrize("what", ["the guest is not told of any more", "a Domain speaks for it"])
def test_a_claim_is_given_up_when_the_api_server_says_otherwise(what: str) -> None:
    async def tell() -> None:
        story = Story()
        await story.begin()
        world, left = await orphan(story)
        meta = read_meta(story.cosmos.machine() or {})
        if "Domain" in what:
            spec = {"uuid": story.uid, "epoch": 9, "virtualMachine": {"name": "db", "uid": "db"}, "nodeName": "n1"}
            story.cosmos.etcd.put(
                kinds.DOMAIN, Key("shop", "db-9"), {"metadata": {"name": "db-9", "namespace": "shop"}, "spec": spec}
            )
        else:
            story.cosmos.agents.hosts[story.node].guests.clear()
            story.report()
        body = {"metadata": {"name": "web-7", "namespace": "shop"}, "spec": {"epoch": 7}}

        with pytest.raises(Conflict, match=story.uid):
            await do(action.CreateDomain(meta, body, left), world)

    run(tell())


def test_nothing_is_inherited_by_a_machine_that_is_gone() -> None:
    async def tell() -> None:
        story = Story()
        await story.begin()
        world, _ = await orphan(story)
        meta = read_meta(story.cosmos.machine() or {})
        story.cosmos.etcd.drop(kinds.VIRTUALMACHINE, WEB)
        ((_, body),) = story.cosmos.etcd.every(kinds.VOLUME)

        with pytest.raises(Conflict, match="not as it was"):
            await do(Inherit(kinds.VOLUME, read_meta(body), meta), world)

    run(tell())
