import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.unit.kube.server import Api, connected

from drover.api.kinds import DOMAIN, NODE, Kind
from drover.errors import Unavailable
from drover.kube import client
from drover.kube.connection import Secret
from drover.kube.errors import AlreadyExists, ApiFault, Conflict, Rejected
from drover.state.resource import Body, Key, read_meta

KEY = Key("team", "web")
PATH = DOMAIN.path("team", "web")


async def test_what_is_not_there_is_none() -> None:
    async with connected(Api()) as cluster:
        assert await cluster.get(DOMAIN, KEY) is None


async def test_a_list_is_read_in_pages_of_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    api = Api()
    for number in range(5):
        api.put(DOMAIN.path("team", f"m{number}"), {})
    async with connected(api) as cluster:
        listing = await cluster.list(DOMAIN, labels="a=b")

    assert ([body["metadata"]["name"] for body in listing.items], listing.resource_version) == (
        ["m0", "m1", "m2", "m3", "m4"],
        "5",
    )
    assert [query["labelSelector"] for _, _, query, _ in api.requests] == ["a=b"] * 3


async def test_a_list_that_expires_between_its_pages_is_to_be_begun_again() -> None:
    api = Api()
    api.refuse(410, "Expired")
    async with connected(api) as cluster:
        with pytest.raises(Conflict):
            await cluster.list(DOMAIN)


async def test_an_apply_carries_name_manager_and_force() -> None:
    api = Api()
    async with connected(api) as cluster:
        await cluster.apply(DOMAIN, KEY, {"spec": {"n": 1}}, manager="drover-agent")

    method, path, query, content = api.requests[0]
    assert (method, path, query) == ("PATCH", PATH, {"fieldManager": "drover-agent", "force": "true"})
    assert content == {
        "apiVersion": "drover.dev/v1alpha1",
        "kind": "Domain",
        "metadata": {"name": "web", "namespace": "team"},
        "spec": {"n": 1},
    }


async def test_whoever_asked_learns_what_was_written() -> None:
    seen: list[tuple[Kind, Any]] = []
    async with connected(Api()) as cluster:
        cluster.on_write(lambda kind, body: seen.append((kind, body["metadata"]["resourceVersion"])))
        await cluster.create(DOMAIN, {"metadata": {"name": "web", "namespace": "team"}})
        await cluster.apply(DOMAIN, KEY, {"status": {}}, manager="m", subresource="status")

        await cluster.apply(DOMAIN, Key("team", "gone"), {"status": {}}, manager="m", subresource="status")

    assert seen == [(DOMAIN, "1"), (DOMAIN, "2")]


async def test_a_taken_name_is_told_apart_from_a_stale_version() -> None:
    api = Api()
    found = api.put(PATH, {})
    async with connected(api) as cluster:
        with pytest.raises(AlreadyExists):
            await cluster.create(DOMAIN, {"metadata": {"name": "web", "namespace": "team"}})
        api.put(PATH, {})
        with pytest.raises(Conflict):
            await cluster.replace(DOMAIN, found)


async def test_a_deletion_names_the_uid_and_is_done_when_another_object_has_the_name() -> None:
    api = Api()
    api.refuse(409, "Conflict")
    async with connected(api) as cluster:
        await cluster.delete(DOMAIN, KEY, uid="u", grace=0)

    expected = {"preconditions": {"uid": "u"}, "propagationPolicy": "Background", "gracePeriodSeconds": 0}
    assert api.requests[0][3] == expected


async def test_a_refused_token_is_read_again_once(tmp_path: Path) -> None:
    token, api = tmp_path / "token", Api()
    token.write_text("old\n")
    async with connected(api, Secret(token)) as cluster:
        await cluster.get(DOMAIN, KEY)
        token.write_text("new\n")
        api.refuse(401)
        await cluster.get(DOMAIN, KEY)

    assert api.tokens == ["Bearer old", "Bearer new", "Bearer new"]


async def test_a_token_that_stays_refused_makes_the_server_unavailable() -> None:
    api = Api()
    api.refuse(401)
    api.refuse(401)
    async with connected(api) as cluster:
        with pytest.raises(Unavailable):
            await cluster.get(DOMAIN, KEY)


async def test_an_answer_without_bounds_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api()
    api.put(PATH, {"spec": {"text": "x" * (5 << 20)}})
    async with connected(api) as cluster:
        with pytest.raises(ApiFault, match="larger than"):
            await cluster.get(DOMAIN, KEY)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with connected(Api()) as cluster:
        pass
    async with cluster:
        with pytest.raises(Unavailable, match="GET /apis"):
            await cluster.get(DOMAIN, KEY)


@pytest.mark.parametrize("body", [b"<html>", b"[]"])
async def test_an_answer_that_is_no_object_is_no_answer(body: bytes) -> None:
    api = Api()
    api.refusals.append((200, {}, body))
    async with connected(api) as cluster:
        with pytest.raises(Unavailable):
            await cluster.get(DOMAIN, KEY)


def machine(*finalizers: str, version: str = "1", deleting: str = "") -> Body:
    metadata = {"name": "web", "namespace": "team", "uid": "u", "resourceVersion": version}
    deletion = {"deletionTimestamp": deleting} if deleting else {}
    return {"kind": "Domain", "metadata": {**metadata, **deletion, "finalizers": list(finalizers)}}


async def test_a_finalizer_is_removed_from_what_is_there_and_not_from_what_was() -> None:
    api = Api()
    api.put(PATH, dict(machine("a", "b", "c")))
    api.refuse(422, "Invalid", "testing path failed")
    async with connected(api) as cluster:
        await cluster.remove_finalizer(DOMAIN, read_meta(machine("a", "b")), "b")

    tests = [operation["value"] for operation in api.requests[-1][3]]
    assert tests == ["u", ["a", "b", "c"], ["a", "c"]]


async def test_a_finalizer_of_another_incarnation_is_left_alone() -> None:
    api = Api()
    api.put(PATH, {"metadata": {"uid": "other"}})
    api.refuse(422, "Invalid")
    async with connected(api) as cluster:
        assert await cluster.remove_finalizer(DOMAIN, read_meta(machine("a")), "a") is None

    assert [method for method, *_ in api.requests] == ["PATCH", "GET"]


@pytest.mark.parametrize("write", ["finalizer", "annotation", "status", "spec", "deletion"])
async def test_a_write_in_a_namespace_that_is_gone_says_nothing_of_the_object(write: str) -> None:
    api = Api()
    status = {"reason": "NotFound", "message": 'namespaces "team" not found', "details": {"kind": "namespaces"}}
    api.refusals.append((404, {}, json.dumps(status).encode()))
    meta = read_meta(machine("a"))
    async with connected(api) as cluster:
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "finalizer": partial(cluster.remove_finalizer, DOMAIN, meta, "a"),
            "annotation": partial(cluster.annotate, DOMAIN, meta, {}),
            "status": partial(cluster.apply, DOMAIN, KEY, {}, manager="m", subresource="status"),
            "spec": partial(cluster.replace, DOMAIN, machine("a")),
            "deletion": partial(cluster.delete, DOMAIN, KEY, uid="u"),
        }
        with pytest.raises(Rejected, match="namespaces") as error:
            await calls[write]()

    assert error.value.reason == "NamespaceGone"


async def test_an_object_that_keeps_changing_is_a_conflict() -> None:
    api = Api()
    api.put(PATH, dict(machine("a")))
    async with connected(api) as cluster:
        api.refuse(422, "Invalid")
        api.refusals.append((200, {}, b'{"metadata": {"name": "web", "uid": "u"}}'))
        api.refuse(422, "Invalid")
        with pytest.raises(Conflict):
            await cluster.add_finalizer(DOMAIN, read_meta(machine()), "a")


async def test_no_finalizer_is_added_to_what_is_being_deleted() -> None:
    api = Api()
    async with connected(api) as cluster:
        assert await cluster.add_finalizer(DOMAIN, read_meta(machine("b", deleting="now")), "a") is None

    assert api.requests == []


@pytest.mark.parametrize(("code", "reason", "message"), [(404, "NotFound", ""), (422, "Invalid", "metadata.uid: no")])
async def test_annotations_of_what_is_gone_or_replaced_go_nowhere(code: int, reason: str, message: str) -> None:
    api = Api()
    api.refuse(code, reason, message)
    async with connected(api) as cluster:
        assert await cluster.annotate(DOMAIN, read_meta(machine()), {"drover.dev/a": None}) is None


async def test_labels_are_merged_into_the_object_of_this_uid() -> None:
    api = Api()
    api.put(PATH, dict(machine()))
    async with connected(api) as cluster:
        await cluster.label(DOMAIN, read_meta(machine()), {"drover.dev/a": "b"})

    assert api.requests[-1][3] == {"metadata": {"uid": "u", "labels": {"drover.dev/a": "b"}}}


async def test_what_a_node_has_is_written_with_the_annotation_that_says_so() -> None:
    api = Api()
    path = NODE.path("", "n1")
    api.refusals.append((200, {}, b'{"metadata": {"name": "n1", "uid": "u"}}'))
    meta = read_meta({"metadata": {"name": "n1", "uid": "u"}})
    async with connected(api) as cluster:
        await cluster.count(NODE, meta, {"a.b/c": "2", "a.b/d": None}, {"drover.dev/devices": "a.b/c"})

    counts = {"a.b/c": "2", "a.b/d": None}
    metadata = {"uid": "u", "annotations": {"drover.dev/devices": "a.b/c"}}
    assert api.requests[-1][1] == f"{path}/status"
    assert api.requests[-1][3] == {"metadata": metadata, "status": {"capacity": counts, "allocatable": counts}}
