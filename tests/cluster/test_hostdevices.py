"""Devices of nodes on a real control plane, told of by agents in memory: booked by the scheduler, counted by quotas."""

import json
from typing import Any

import pytest
from tests.cluster.conftest import OFFERED, offer
from tests.cluster.stage import NODES, Stage, staged
from tests.support import accounts
from tests.system.world import World

from drover.api import kinds
from drover.kube.client import Cluster
from drover.state.resource import Key

CARD = {"devices": [{"name": "card", "resource": OFFERED}]}
LAST = NODES[-1]


@pytest.fixture(scope="module", autouse=True)
def offered(cluster_sandbox: World) -> None:
    """Have them counted, though others have applied the policies anew."""
    offer(cluster_sandbox)


async def _offer(stage: Stage, *addresses: str) -> None:
    """Have the agent of the last node tell of cards."""
    told = [
        {"address": each, "resource": OFFERED, "group": 1, "members": [each], "state": "Free"} for each in addresses
    ]
    endpoint = accounts.endpoint(stage.world, accounts.AGENT, LAST)
    async with Cluster(endpoint, user_agent="agent") as agent:
        content = {"status": {"devices": told}}
        await agent.apply(kinds.HYPERVISOR, Key("", LAST), content, manager="devices", subresource="status")
    await stage.until("the node to have them", lambda: _counted(stage, str(len(addresses)) if addresses else None))


async def _counted(stage: Stage, wanted: str | None) -> bool:
    status: Any = (await stage.cluster.get(kinds.NODE, Key("", LAST)) or {})["status"]
    return [status[part].get(OFFERED) for part in ("capacity", "allocatable")] == [wanted, wanted]


async def test_a_machine_waits_for_a_device_in_the_schedulers_words_and_gets_it(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await stage.make("web", interfaces=[], **CARD)
        message = await stage.says("Scheduled", "Unschedulable")
        await _offer(stage, "0000:01:00.0")
        status = await stage.reach("Running")
        domain = await stage.get(kinds.DOMAIN, "web-1")
        await stage.delete(kinds.VIRTUALMACHINE, "web")
        await _offer(stage)

    assert f"Insufficient {OFFERED}" in message
    assert (status["nodeName"], domain["spec"]["machine"]["devices"]) == (LAST, CARD["devices"])


async def test_no_more_machines_than_devices_and_than_their_quota(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await _offer(stage, "0000:01:00.0", "0000:02:00.0")
        quota = {"spec": {"hard": {f"requests.{OFFERED}": "1"}}, "metadata": {"name": "cards"}}
        body = json.dumps({"apiVersion": "v1", "kind": "ResourceQuota", **quota})
        stage.world.kubectl("create", "-n", stage.namespace, "-f", "-", given=body)
        await stage.make("web", interfaces=[], **CARD)
        await stage.reach("Running")
        await stage.make("more", interfaces=[], **CARD)
        message = await stage.says("Scheduled", "QuotaExceeded", "more")
        await stage.delete(kinds.VIRTUALMACHINE, "web")
        await stage.reach("Running", "more")
        await stage.delete(kinds.VIRTUALMACHINE, "more")
        await _offer(stage)

    assert f"exceeded quota: cards, requested: requests.{OFFERED}=1" in message


@pytest.mark.parametrize("count", ["7", "0"])
async def test_what_somebody_else_counts_is_left_to_them(cluster_sandbox: World, count: str) -> None:
    async with staged(cluster_sandbox) as stage:
        has = json.dumps({"status": {part: {OFFERED: count} for part in ("capacity", "allocatable")}})
        await stage.kubectl("patch", "node", LAST, "--subresource=status", "--type=merge", "-p", has)
        await stage.start()
        await stage.make("web", interfaces=[])
        await stage.reach("Running")

        assert await _counted(stage, count)
        none = has.replace(f'"{count}"', "null")
        await stage.kubectl("patch", "node", LAST, "--subresource=status", "--type=merge", "-p", none)
