import asyncio

import pytest
from tests.unit.kube.server import Api, connected, until

from drover.api.kinds import LEASE
from drover.kube.client import Cluster
from drover.kube.lease import Elector, Terms
from drover.runtime.release import OWNER, ForeignRelease, owned

TERMS = Terms(lease=0.3, renew=0.2, retry=0.02)
OTHER = Terms(lease=60.0, renew=50.0, retry=0.05)
PATH = LEASE.path(OWNER.namespace, OWNER.name)


def holder(api: Api) -> str:
    return str(api.objects[PATH]["spec"]["holderIdentity"])


async def own(cluster: Cluster, namespace: str = "drover-system") -> None:
    async with owned(cluster, namespace, TERMS):
        return


async def test_the_first_release_owns_the_cluster_until_it_ends() -> None:
    api = Api()
    async with connected(api) as cluster:
        async with owned(cluster, "drover-system", TERMS):
            assert holder(api) == "drover-system"

        assert holder(api) == ""


async def test_a_replica_of_the_same_release_owns_it_too() -> None:
    async with connected(Api()) as cluster, owned(cluster, "drover-system", TERMS):
        await own(cluster)


async def test_a_release_that_finds_another_at_work_ends() -> None:
    async with connected(Api()) as cluster:
        other = Elector(cluster, OWNER, "other", terms=OTHER)
        await other.try_acquire()
        renewing = asyncio.create_task(other.hold())
        with pytest.raises(ForeignRelease, match="the release in namespace other works in this cluster"):
            await own(cluster)
        renewing.cancel()


async def test_a_release_that_is_gone_is_replaced() -> None:
    api = Api()
    async with connected(api) as cluster:
        await Elector(cluster, OWNER, "other", terms=Terms(lease=1.0)).try_acquire()
        async with owned(cluster, "drover-system", TERMS):
            assert holder(api) == "drover-system"


async def test_the_lease_is_renewed_while_the_release_works() -> None:
    api = Api()
    async with connected(api) as cluster, owned(cluster, "drover-system", TERMS) as owning:
        working = asyncio.create_task(owning())
        await until(lambda: sum(method == "PUT" for method, *_ in api.requests) > 2)
        working.cancel()


async def test_a_cluster_that_is_taken_away_ends_the_work() -> None:
    api = Api()
    async with connected(api) as cluster, owned(cluster, "drover-system", TERMS) as owning:
        del api.objects[PATH]
        other = Elector(cluster, OWNER, "other", terms=OTHER)
        await other.try_acquire()
        renewing = asyncio.create_task(other.hold())
        with pytest.raises(ForeignRelease):
            await owning()
        renewing.cancel()


async def test_who_may_not_look_goes_on() -> None:
    api = Api()
    api.refuse(403, "Forbidden", "no")
    async with connected(api) as cluster, owned(cluster, "drover-system", TERMS) as owning:
        await owning()


async def test_an_api_server_that_is_away_is_waited_for() -> None:
    api = Api()
    api.refuse(503)
    async with connected(api) as cluster, owned(cluster, "drover-system", TERMS):
        assert holder(api) == "drover-system"
