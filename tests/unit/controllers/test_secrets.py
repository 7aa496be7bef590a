"""Secrets that were written to under running machines."""

import asyncio
from collections.abc import Coroutine, Iterable
from random import Random
from typing import Any

import pytest
from tests.unit.controllers.cosmos import WEB, Cosmos

from drover.api import kinds
from drover.controllers import secrets
from drover.controllers.nodeapi import version_of
from drover.state.resource import Key

BOOT = Key("shop", "boot")


def run(story: Coroutine[Any, Any, None]) -> None:
    """Tell a story to its end."""
    asyncio.run(story)


async def begin() -> Cosmos:
    """A cluster with a machine in flight that was told a Secret."""
    cosmos = Cosmos(Random(0))
    await cosmos.furnish()
    await cosmos.client.create(kinds.SECRET, {"metadata": {"name": "boot", "namespace": "shop"}, "data": {}})
    await cosmos.create(interfaces=[], cloudInit={"userDataSecretRef": {"name": "boot", "key": "user"}})
    await cosmos.settle()
    told = version_of(cosmos.etcd.objects[kinds.SECRET, BOOT])
    ((key, body),) = cosmos.etcd.every(kinds.DOMAIN)
    live = {**body["status"]["live"], "secrets": [f"boot {told}"]}
    cosmos.etcd.put(kinds.DOMAIN, key, {**body, "status": {**body["status"], "live": live}})
    cosmos.controllers[0].caches.hear()
    return cosmos


async def rest(cosmos: Cosmos) -> None:
    """Let the controller do all it can; the agents sleep."""
    controller = cosmos.controllers[0]
    controller.clock += 61.0
    controller.caches.hear()
    while await controller.step():
        pass


async def look(cosmos: Cosmos) -> list[Key]:
    """Look at the Secrets once; gives the machines that are to be looked at."""
    woken: list[Key] = []

    def wake(machines: Iterable[Key]) -> None:
        woken.extend(machines)
        for key in woken:
            cosmos.controllers[0].queues[kinds.VIRTUALMACHINE].add(key)

    await secrets.look(cosmos.controllers[0].world, wake, pause=0.0)
    return woken


def synced(cosmos: Cosmos) -> tuple[str, str]:
    conditions = (cosmos.machine() or {})["status"]["conditions"]
    return next((each["reason"], each["message"]) for each in conditions if each["type"] == "Synced")


def test_a_secret_that_was_written_to_waits_for_a_restart() -> None:
    async def story() -> None:
        cosmos = await begin()
        assert await look(cosmos) == [WEB]
        await rest(cosmos)
        assert synced(cosmos)[0] == "Synced"
        assert await look(cosmos) == []
        cosmos.etcd.put(kinds.SECRET, BOOT, {**cosmos.etcd.objects[kinds.SECRET, BOOT], "data": {"user": "eA=="}})
        assert await look(cosmos) == [WEB]
        await rest(cosmos)
        assert synced(cosmos)[0] == "RestartRequired"
        assert "eA==" not in synced(cosmos)[1]

    run(story())


def test_a_label_of_a_secret_is_nothing_that_a_guest_was_told() -> None:
    async def story() -> None:
        cosmos = await begin()
        await look(cosmos)
        secret = cosmos.etcd.objects[kinds.SECRET, BOOT]
        labels = {"metadata": {**secret["metadata"], "labels": {"tier": "db"}}}
        cosmos.etcd.put(kinds.SECRET, BOOT, {**secret, **labels})
        assert await look(cosmos) == []
        await rest(cosmos)
        assert synced(cosmos)[0] == "Synced"

    run(story())


def test_a_secret_that_is_gone_is_told_and_one_that_nobody_uses_forgotten() -> None:
    async def story() -> None:
        cosmos = await begin()
        await look(cosmos)
        cosmos.etcd.drop(kinds.SECRET, BOOT)
        await look(cosmos)
        await rest(cosmos)
        assert "which is gone" in synced(cosmos)[1]
        cosmos.delete()
        await cosmos.settle()
        await look(cosmos)
        assert cosmos.controllers[0].world.secrets == {}

    run(story())


def test_secrets_are_looked_at_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(secrets, "EVERY_SECONDS", 0.0)
        monkeypatch.setattr(secrets, "PAUSE_SECONDS", 0.0)
        cosmos, woken = await begin(), asyncio.Event()
        looking = asyncio.create_task(secrets.run(cosmos.controllers[0].world, lambda _: woken.set()))
        async with asyncio.timeout(5):
            await woken.wait()
        looking.cancel()

    run(story())
