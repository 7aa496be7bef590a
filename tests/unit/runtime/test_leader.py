import asyncio

import pytest
from tests.unit.kube.server import Api, connected, until

from drover.api.kinds import LEASE
from drover.kube.client import Cluster
from drover.kube.lease import Elector, Terms
from drover.runtime.leader import LostLeadership, lead
from drover.state.resource import Key

KEY = Key("drover-system", "leader")
PATH = LEASE.path("drover-system", "leader")


def elector(cluster: Cluster, holder: str = "a") -> Elector:
    return Elector(cluster, KEY, holder, terms=Terms(lease=15, renew=0.1, retry=0.01))


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_leader_whose_lease_is_taken_stops_working_and_leaves_it() -> None:
    api, said = Api(), list[bool]()
    async with connected(api) as cluster:
        leading = asyncio.create_task(lead(elector(cluster), forever, leading=said.append))
        await until(lambda: said == [True])
        api.objects[PATH]["spec"]["holderIdentity"] = "b"
        with pytest.raises(LostLeadership):
            await leading

    assert (said, api.objects[PATH]["spec"]["holderIdentity"]) == ([True, False], "b")


async def test_a_leader_that_is_stopped_hands_the_lease_on() -> None:
    api, said = Api(), list[bool]()
    async with connected(api) as cluster:
        leading = asyncio.create_task(lead(elector(cluster), forever, leading=said.append))
        await until(lambda: said == [True])
        leading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leading

    assert (said, api.objects[PATH]["spec"]["holderIdentity"]) == ([True, False], "")


async def test_work_that_fails_ends_the_lead_and_hands_the_lease_on() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    api = Api()
    async with connected(api) as cluster:
        with pytest.raises(ZeroDivisionError):
            await lead(elector(cluster), fail)

    assert api.objects[PATH]["spec"]["holderIdentity"] == ""


async def test_a_second_candidate_waits() -> None:
    api = Api()
    async with connected(api) as cluster:
        await elector(cluster, "b").acquire()
        waiting = asyncio.create_task(lead(elector(cluster), forever))
        await until(lambda: len(api.requests) > 5)
        waiting.cancel()

    assert api.objects[PATH]["spec"]["holderIdentity"] == "b"
