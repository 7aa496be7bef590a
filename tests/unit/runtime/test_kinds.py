import pytest
from tests.unit.kube.server import Api, connected

from drover import __version__
from drover.api.kinds import CRD, DOMAIN, OURS
from drover.runtime import kinds
from drover.runtime.kinds import OutdatedKinds, check


def installed(version: str = __version__) -> Api:
    api = Api()
    for kind in OURS:
        name = f"{kind.plural}.{kind.group}"
        metadata = {"name": name, "annotations": {"drover.dev/version": version}}
        api.put(CRD.path("", name), {"metadata": metadata})
    return api


async def test_definitions_of_this_release_are_fit() -> None:
    async with connected(installed()) as cluster:
        await check(cluster)


async def test_definitions_of_an_older_release_are_not() -> None:
    async with connected(installed("0.0.1")) as cluster:
        with pytest.raises(OutdatedKinds, match=r"of release 0\.0\.1, but this is .*: run `drover crds apply`"):
            await check(cluster)


async def test_a_definition_that_is_missing_is_named() -> None:
    api = installed()
    del api.objects[CRD.path("", f"{DOMAIN.plural}.{DOMAIN.group}")]
    async with connected(api) as cluster:
        with pytest.raises(OutdatedKinds, match=r"does not know domains\.drover\.dev: run"):
            await check(cluster)


async def test_an_api_server_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "RETRY_SECONDS", 0.0)
    api = installed()
    api.refuse(503)
    async with connected(api) as cluster:
        await check(cluster)

    assert len(api.requests) == 2 * len(OURS)


async def test_who_may_not_look_goes_on() -> None:
    api = Api()
    for _ in OURS:
        api.refuse(403, "Forbidden", "no")
    async with connected(api) as cluster:
        await check(cluster)

    assert len(api.requests) == len(OURS)
