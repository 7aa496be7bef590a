from datetime import UTC, datetime

import pytest
from tests.unit.kube.server import Api, connected

from drover.api.kinds import DOMAIN, NODE, Kind
from drover.kube.client import Cluster
from drover.kube.connection import Endpoint
from drover.kube.events import Regarding, emit, event_body
from drover.state.resource import Body, read_meta

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def regarding(kind: Kind = DOMAIN, name: str = "web", namespace: str = "team") -> Regarding:
    return Regarding(kind, read_meta({"metadata": {"name": name, "namespace": namespace, "uid": "u"}}))


def worded(message: str = "It runs", second: int = 0, about: Regarding | None = None) -> Body:
    cluster = Cluster(Endpoint(""), user_agent="", clock=lambda: NOON.replace(second=second))
    about = about or regarding()
    return event_body(cluster, about, reason="Started", message=message, warning=False, component="drover-agent")


def test_an_event_names_its_object() -> None:
    expected = {
        "apiVersion": "drover.dev/v1alpha1",
        "kind": "Domain",
        "name": "web",
        "namespace": "team",
        "uid": "u",
    }
    assert worded()["involvedObject"] == expected


def test_an_event_about_a_cluster_wide_object_stands_in_the_default_namespace() -> None:
    body = worded(about=regarding(NODE, "n1", ""))

    assert body["metadata"]["namespace"] == "default"
    assert "namespace" not in body["involvedObject"]


@pytest.mark.parametrize(
    ("message", "second", "same"),
    [("It runs", 59, True), ("It runs again", 0, False)],
    ids=["within-a-minute", "other-words"],
)
def test_the_same_words_are_one_event(message: str, second: int, same: bool) -> None:  # noqa: FBT001
    assert (worded()["metadata"] == worded(message, second)["metadata"]) is same


def test_names_and_messages_keep_within_the_server_s_bounds() -> None:
    body = worded("x" * 5000, about=regarding(name="n" * 253))

    assert (len(body["metadata"]["name"]), len(body["message"])) == (253, 1024)


async def test_a_repeated_event_is_told_once() -> None:
    api = Api()
    async with connected(api) as cluster:
        for _ in range(2):
            await emit(cluster, regarding(), reason="Started", message="It runs", component="drover-agent")

    assert [found["type"] for found in api.objects.values()] == ["Normal"]


async def test_an_event_that_cannot_be_stored_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    api = Api()
    api.refuse(422, "Invalid", "too odd")
    async with connected(api) as cluster:
        await emit(cluster, regarding(), reason="Odd", message="It is odd", warning=True, component="drover-agent")

    assert "Event Odd about team/web was not stored: 422 Invalid: too odd" in caplog.text
