"""Addresses given out by twenty writers at once, on a real API server: each address is one machine's."""

import asyncio
from random import Random

import pytest
from tests.support import accounts
from tests.support.writers import allocate, clear, make_window, make_writer
from tests.system.world import World as Sandbox

from drover.api.kinds import ADDRESS
from drover.errors import NotReady
from drover.kube.client import Cluster
from drover.state.resource import Key

WRITERS, EACH = 20, 6


async def _story(sandbox: Sandbox, cidr: str, gateway: str, seed: int) -> tuple[list[str], list[str]]:
    """Let writers allocate, and now and then give back; gives the addresses that are taken, and the machines' uids."""
    chance, room = Random(seed), make_window(cidr, gateway)
    async with Cluster(accounts.endpoint(sandbox, accounts.CONTROLLER), user_agent="drover-test") as cluster:

        async def write(writer: int) -> None:
            world = make_writer(cluster)
            for number in range(writer * EACH, writer * EACH + EACH):
                await allocate(world, "crowd", number, room)
                mine = [
                    each for each in world.stores.addresses.values() if each.spec.virtual_machine.uid == f"uid-{number}"
                ]
                if chance.random() < 0.2:
                    await cluster.delete(ADDRESS, Key("", mine[0].meta.key.name), uid=mine[0].meta.uid)
                    await allocate(world, "crowd", number, room)

        try:
            await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
            found = [each["spec"] for each in (await cluster.list(ADDRESS)).items if each["spec"]["network"] == "crowd"]
            return [each["address"] for each in found], [each["virtualMachine"]["uid"] for each in found]
        finally:
            await clear(cluster, "crowd")


@pytest.mark.parametrize("seed", range(3))
def test_twenty_writers_that_know_nothing_of_each_other_never_share_an_address(
    cluster_sandbox: Sandbox, seed: int
) -> None:
    addresses, owners = asyncio.run(_story(cluster_sandbox, "10.60.0.0/24", "10.60.0.1", seed))

    assert (len(addresses), len(set(addresses)), len(set(owners))) == (WRITERS * EACH,) * 3
    assert not {"10.60.0.0", "10.60.0.1", "10.60.0.255"} & set(addresses)


def test_the_last_address_is_one_machines_and_the_others_are_told(cluster_sandbox: Sandbox) -> None:
    with pytest.raises(NotReady, match="every address of crowd is taken"):
        asyncio.run(_story(cluster_sandbox, "10.60.0.0/26", "10.60.0.1", 0))
