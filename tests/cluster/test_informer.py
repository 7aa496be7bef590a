"""The caches against a real API server: what they hold is what is there, whatever happens in between."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.line import NAMESPACE, following, told
from tests.support import accounts
from tests.system.world import World

from drover.api.kinds import DOMAIN, Kind
from drover.errors import Unavailable
from drover.kube.client import Cluster
from drover.kube.connection import read_kubeconfig
from drover.runtime.informer import Informer, MissingKind, Watch
from drover.runtime.mirror import UnknownField
from drover.state.objects import read_domain
from drover.state.resource import Key

TEAPOTS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: teapots.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: teapots, singular: teapot, kind: Teapot, listKind: TeapotList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""


@pytest.fixture
def teapots(cluster_sandbox: World) -> Iterator[Kind]:
    """A kind that nobody needs."""
    cluster_sandbox.kubectl("apply", "-f", "-", given=TEAPOTS)
    cluster_sandbox.kubectl("wait", "--for=condition=Established", "crd/teapots.example.com", "--timeout=30s")
    yield Kind("example.com", "v1", "teapots", "Teapot")
    cluster_sandbox.kubectl("delete", "crd", "teapots.example.com", "--ignore-not-found")


async def test_a_node_sees_its_own_domains_from_the_first_list_on(cluster_sandbox: World) -> None:
    async with told(cluster_sandbox, "informer-own") as story:
        await story.apply("before")
        await story.apply("foreign", node="informer-else")
        async with following(story):
            assert story.held() == {"before": 1}
            await story.apply("after")
            await story.apply("foreign", 2, node="informer-else")
            await story.sees({"before": 1, "after": 1})


async def test_our_own_write_is_known_before_the_watch_tells(cluster_sandbox: World) -> None:
    async with told(cluster_sandbox, "informer-write") as story:
        await story.informer.prime()
        changes: list[str] = []
        story.informer.subscribe(DOMAIN, lambda old, new: changes.append(f"{old is None} {new is None}"))
        await story.apply("mine", by=story.near)
        await story.apply("foreign", node="informer-else", by=story.near)

        assert (story.held(), changes) == ({"mine": 1}, ["True False"])


async def test_a_deleted_and_recreated_name_ends_as_the_new_object(cluster_sandbox: World) -> None:
    async with told(cluster_sandbox, "informer-again") as story, following(story):
        for _ in range(10):
            await story.apply("same")
            await story.delete("same")
        newest = await story.apply("same", 2)
        await story.sees({"same": 2})

        found = story.informer.store(DOMAIN).get(Key(NAMESPACE, "same"))
        assert found is not None
        assert found.meta.uid == newest.uid


async def test_what_vanished_while_the_watch_was_cut_is_gone_in_seconds(cluster_sandbox: World) -> None:
    async with told(cluster_sandbox, "informer-cut") as story:
        for name in ("gone", "again", "changed", "same"):
            await story.apply(name)
        async with following(story):
            story.line.cut()
            await story.delete("gone")
            await story.delete("again")
            await story.restart_server()  # its watch cache begins anew: the versions before are too old for a watch
            await story.apply("again", 2)
            await story.apply("changed", 3)
            story.line.mend()
            await story.sees({"again": 2, "changed": 3, "same": 1})
            await story.apply("same", 4)
            await story.sees({"again": 2, "changed": 3, "same": 4})


@pytest.mark.long
async def test_a_server_that_was_killed_is_followed_again(cluster_sandbox: World) -> None:
    async with told(cluster_sandbox, "informer-kill") as story, following(story):
        await story.apply("a")
        await story.sees({"a": 1})
        await story.restart_server()
        await story.apply("a", 2)
        await story.sees({"a": 2})
        await story.delete("a")
        await story.sees({})


@pytest.fixture
def account(cluster_sandbox: World) -> Callable[[], str]:
    """Somebody who may write Domains; gives a new token at each call."""
    words = ("create", "token", accounts.CONTROLLER, "-n", accounts.NAMESPACE)
    return lambda: cluster_sandbox.kubectl(*words)


async def test_a_replaced_token_is_taken_up_by_the_watch_and_by_us(
    cluster_sandbox: World, account: Callable[[], str], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(await asyncio.to_thread(account))
    async with told(cluster_sandbox, "informer-token", token) as story, following(story):
        token.write_text("void")
        story.line.cut()
        story.line.mend()
        with pytest.raises(Unavailable):
            await story.apply("mine", by=story.near)
        await story.apply("a")
        token.write_text(await asyncio.to_thread(account))
        await story.sees({"a": 1})
        await story.apply("mine", by=story.near)


async def test_the_first_list_waits_for_the_server(cluster_sandbox: World) -> None:
    async with told(cluster_sandbox, "informer-slow") as story:
        await story.apply("a")
        story.line.cut()
        priming = asyncio.create_task(story.informer.prime())
        await story.line.refused.wait()
        await story.apply("b")
        story.line.mend()
        await priming

        assert story.held() == {"a": 1, "b": 1}


async def test_a_kind_that_is_not_installed_is_named(cluster_sandbox: World) -> None:
    unknown = Kind("example.com", "v1", "kettles", "Kettle")
    async with Cluster(read_kubeconfig(cluster_sandbox.state / "kubeconfig"), user_agent="test") as cluster:
        informer = Informer(cluster, [Watch(unknown, read_domain)])
        with pytest.raises(MissingKind, match=r"kettles\.example\.com"):
            await informer.prime()


async def test_a_kind_that_cannot_be_selected_by_its_field_is_named(cluster_sandbox: World, teapots: Kind) -> None:
    async with Cluster(read_kubeconfig(cluster_sandbox.state / "kubeconfig"), user_agent="test") as cluster:
        informer = Informer(cluster, [Watch(teapots, read_domain, fields="spec.nodeName=n1")])
        with pytest.raises(UnknownField, match=r"does not select teapots\.example\.com by spec\.nodeName=n1"):
            await informer.prime()


async def test_a_kind_that_is_removed_ends_the_informer(cluster_sandbox: World, teapots: Kind) -> None:
    async with Cluster(read_kubeconfig(cluster_sandbox.state / "kubeconfig"), user_agent="test") as cluster:
        informer = Informer(cluster, [Watch(teapots, read_domain), Watch(DOMAIN, read_domain)])
        await informer.prime()
        running = asyncio.create_task(informer.run(asyncio.Event()))
        await asyncio.to_thread(cluster_sandbox.kubectl, "delete", "crd", "teapots.example.com")
        with pytest.raises(MissingKind, match="teapots"):
            await asyncio.wait_for(running, 20)


async def test_kopf_writes_nothing(cluster_sandbox: World) -> None:
    async with told(cluster_sandbox, "informer-quiet") as story, following(story):
        await story.apply("a")
        await story.sees({"a": 1})
        found = await story.others.get(DOMAIN, Key(NAMESPACE, "a"))

    assert found is not None
    assert [entry["manager"] for entry in found["metadata"]["managedFields"]] == ["drover-controller"]
    assert "annotations" not in found["metadata"]


async def test_the_watch_is_heard_even_when_nothing_happens(cluster_sandbox: World) -> None:
    async with told(cluster_sandbox, "informer-silent") as story, following(story):
        await story.apply("a")
        await story.sees({"a": 1})

        assert story.informer.silence < 5
