import pytest
from tests.unit.kube.server import Api, connected
from tests.unit.runtime.objects import Thing, read_thing

from drover.api.kinds import DOMAIN
from drover.kube.client import Cluster
from drover.runtime import mirror as module
from drover.runtime.mirror import HistoryRewritten, Mirror, UnknownField, Watch


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CATCH_UP_SECONDS", 0.0)


def path(name: str) -> str:
    return DOMAIN.path("team", name)


def mirror(cluster: Cluster) -> Mirror[Thing]:
    return Mirror(cluster, Watch(DOMAIN, read_thing, fields="spec.nodeName=n1"))


def put(api: Api, *names: str) -> None:
    for name in names:
        api.put(path(name), {"spec": {"nodeName": "n1"}})


def held(mirrored: Mirror[Thing]) -> dict[str, str]:
    return {found.meta.key.name: found.meta.resource_version for found in mirrored.store.values()}


async def test_loading_lists_everything_and_drops_the_rest() -> None:
    api = Api()
    put(api, "a", "b")
    async with connected(api) as cluster:
        mirrored = mirror(cluster)
        await mirrored.load()
        del api.objects[path("a")]
        put(api, "c")
        await mirrored.load()

    assert (held(mirrored), mirrored.store.synced) == ({"b": "2", "c": "3"}, True)


@pytest.mark.parametrize("few", [0, 50], ids=["listing-again", "one-by-one"])
async def test_a_comparison_brings_what_the_watch_did_not(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", few)
    api = Api()
    put(api, "gone", "changed", "same")
    async with connected(api) as cluster:
        mirrored = mirror(cluster)
        await mirrored.load()
        del api.objects[path("gone")]
        put(api, "changed", "new")
        await mirrored.compare()

    assert held(mirrored) == {"changed": "4", "same": "3", "new": "5"}


async def test_a_comparison_that_finds_nothing_reads_no_object() -> None:
    api = Api()
    put(api, "a", "b")
    async with connected(api) as cluster:
        mirrored = mirror(cluster)
        await mirrored.load()
        await mirrored.compare()

    assert len(api.requests) == 2


async def test_what_was_created_since_the_list_stays() -> None:
    api = Api()
    put(api, "a")
    async with connected(api) as cluster:
        mirrored = mirror(cluster)
        mirrored._drop(set(), "1")
        mirrored.take(read_thing(api.objects[path("a")] | {"metadata": {"name": "b", "resourceVersion": "7"}}))
        mirrored._drop(set(), "6")

    assert held(mirrored) == {"b": "7"}


async def test_a_past_that_was_rewritten_is_noticed() -> None:
    api = Api(revision=100)
    put(api, "a")
    async with connected(api) as cluster:
        mirrored = mirror(cluster)
        await mirrored.load()
        api.revision = 50
        with pytest.raises(HistoryRewritten, match="domains: now at 50, but 101 was seen"):
            await mirrored.compare()


async def test_the_answer_to_a_write_is_learned_only_if_it_is_selected() -> None:
    api = Api()
    async with connected(api) as cluster:
        mirrored = mirror(cluster)
        for name, node in (("a", "n1"), ("b", "n2")):
            mirrored.learn(api.put(path(name), {"spec": {"nodeName": node}}))

    assert held(mirrored) == {"a": "1"}


@pytest.mark.parametrize(("grace", "left"), [pytest.param(0, {}, id="gone"), pytest.param(30, {"a": "1"}, id="ending")])
async def test_an_object_that_went_with_our_own_write_is_dropped_at_once(grace: int, left: dict[str, str]) -> None:
    api = Api()
    async with connected(api) as cluster:
        mirrored = mirror(cluster)
        written = api.put(path("a"), {"spec": {"nodeName": "n1"}})
        mirrored.learn(written)
        going = {"deletionTimestamp": "now", "deletionGracePeriodSeconds": grace}
        mirrored.learn({**written, "metadata": {**written["metadata"], **going}})

    assert held(mirrored) == left


async def test_an_object_that_cannot_be_read_is_left_out() -> None:
    api = Api()
    api.put(path("odd"), {"metadata": {"uid": "u"}, "spec": {"nodeName": "n1"}})
    async with connected(api) as cluster:
        odd: Mirror[Thing] = Mirror(cluster, Watch(DOMAIN, lambda body: body["nothing"]))
        await odd.load()

    assert (len(odd.store), odd.store.synced) == (0, True)


async def test_a_deletion_that_the_watch_brings_is_taken_in() -> None:
    api = Api()
    put(api, "a")
    async with connected(api) as cluster:
        mirrored = mirror(cluster)
        await mirrored.load()
        mirrored.take(read_thing(api.objects[path("a")]), deleted=True)

    assert held(mirrored) == {}


async def test_an_api_server_that_ignores_the_selector_is_found_out() -> None:
    api = Api()
    api.put(path("other"), {"spec": {"nodeName": "n2"}})
    async with connected(api) as cluster:
        with pytest.raises(UnknownField, match=r"does not select domains\.drover\.dev by spec\.nodeName=n1: it gave"):
            await mirror(cluster).load()
