"""Agents of another release than the controller's: what is placed on their nodes, and what stays there."""

import asyncio

from tests.cluster.stage import NODES, Stage, staged
from tests.system.world import World

from drover.api import kinds

DISK = [{"name": "root", "size": "1Gi"}]
OLD = {"agentVersion": "0.0.1", "apiLevel": 0}


async def age(stage: Stage, *nodes: str) -> None:
    """Let the agents of some nodes be of an older release."""

    async with asyncio.timeout(30):
        await stage.agents.registered.wait()
    for node in nodes:
        await stage.agents.tell(node, **OLD)


async def test_machines_are_placed_where_the_agent_goes_with_the_controller(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox) as stage:
        await age(stage, *NODES[:2])
        await stage.start()
        for name in ("web", "db", "queue"):
            await stage.make(name)
        placed = {(await stage.reach("Running", name))["nodeName"] for name in ("web", "db", "queue")}
        assert placed == {NODES[2]}


async def test_where_every_agent_is_older_machines_wait_and_say_so(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox) as stage:
        await age(stage, *NODES)
        await stage.start()
        await stage.make("web")
        message = await stage.says("Scheduled", "AgentTooOld")
        assert "is of release 0.0.1 with API level 0" in message
        assert await stage.all(kinds.DOMAIN) == []
        await stage.agents.tell(NODES[1])
        assert (await stage.reach("Running"))["nodeName"] == NODES[1]


async def test_a_running_guest_stays_and_once_off_waits_for_the_upgrade(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox) as stage:
        await stage.start()
        uid = await stage.make("web", disks=DISK)
        node = (await stage.reach("Running"))["nodeName"]
        await age(stage, node)
        await stage.change(terminationGracePeriodSeconds=5)
        await stage.reach("Running")
        assert stage.agents.hosts[node].guests[uid].starts == 1
        await stage.change(powerState="Stopped")
        await stage.reach("Stopped")
        await stage.change(powerState="Running")
        assert node in await stage.says("Scheduled", "AgentTooOld")
        await stage.agents.tell(node)
        assert (await stage.reach("Running"))["nodeName"] == node
