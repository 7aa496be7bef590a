"""The node API, asked over TLS by an agent: who gets what."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import aiohttp
import pytest
from tests.support.fake_cluster import FakeCluster
from tests.unit.controllers.cosmos import Cosmos

from drover.agent.secrets import NodeAPI
from drover.api import kinds
from drover.api.cloudinit import SecretKey
from drover.controllers import nodeapi
from drover.controllers.world import World
from drover.errors import NotReady, OperatorError, Unavailable
from drover.kube.connection import Secret
from drover.planning.view import DomainView, view
from drover.runtime import certificate
from drover.runtime.settings import ControllerSettings
from drover.state.objects import read_domain
from drover.state.resource import Key

BOOT = SecretKey(name="boot", key="user")
WORDS = b"#!/bin/sh\n"


def agent_of(node: str) -> dict[str, Any]:
    """What a review says of the token of a node's agent."""
    extra = {"authentication.kubernetes.io/node-name": [node]}
    user = {"username": "system:serviceaccount:drover-system:drover-agent", "extra": extra}
    return {"authenticated": True, "user": user}


@dataclass
class Scene:
    """A machine with a secret user data on a node, and the controller that serves."""

    cosmos: Cosmos
    world: World
    place: nodeapi.Place

    def asks(self, token: str = "n1") -> NodeAPI:
        """An agent that shows a token."""
        cluster = FakeCluster(self.cosmos.etcd)
        cluster.endpoint = replace(cluster.endpoint, token=Secret(text=token) if token else None)
        return NodeAPI(cluster, "drover-system")  # type: ignore[arg-type]

    @property
    def order(self) -> DomainView:
        """The machine's Domain."""
        ((_, body),) = self.cosmos.etcd.every(kinds.DOMAIN)
        return view(read_domain(body))

    async def write(self, **data: bytes) -> None:
        """Make the Secret."""
        content = {name: base64.b64encode(value).decode() for name, value in data.items()}
        await self.cosmos.client.create(
            kinds.SECRET, {"metadata": {"name": "boot", "namespace": "shop"}, "data": content}
        )


SOURCE = {"type": "HTTP", "http": {"url": "http://web/tiny", "headersSecretRef": {"name": "keys"}}}


@asynccontextmanager
async def scene(**spec: Any) -> AsyncIterator[Scene]:
    cosmos = Cosmos(Random(0))
    await cosmos.furnish()
    image = {
        "metadata": {"name": "tiny", "namespace": "shop"},
        "spec": {"type": "Kernel", "kernel": {"source": SOURCE}},
    }
    await cosmos.client.create(kinds.IMAGE, image)
    node_api = {"userDataSecretRef": {"name": "boot", "key": "user"}}
    await cosmos.create(interfaces=[], cloudInit=node_api, kernel={"image": "tiny"}, **spec)
    await cosmos.settle()
    ((_, body),) = cosmos.etcd.every(kinds.DOMAIN)
    here, there = body["spec"]["nodeName"], {"n1": "n2", "n2": "n1"}[body["spec"]["nodeName"]]
    cosmos.etcd.tokens.update({"n1": agent_of(here), "n2": agent_of(there), "somebody": {"authenticated": True}})
    settings = ControllerSettings(node_api_address="127.0.0.1:0")
    world = replace(cosmos.controllers[0].world, settings=settings)
    async with nodeapi.serve(world) as place:
        await place.publish(world)
        yield Scene(cosmos, world, place)


async def test_an_agent_gets_what_its_machine_names() -> None:
    async with scene() as told:
        await told.write(user=WORDS, other=b"hush")

        handed = await told.asks().read(told.order)
        assert handed.secrets == {BOOT: WORDS}
        secret = told.cosmos.etcd.objects[kinds.SECRET, Key("shop", "boot")]
        assert handed.versions == {"boot": nodeapi.version_of(secret)}


@pytest.mark.parametrize(
    ("token", "words"),
    [
        pytest.param("n2", "there is no Domain", id="another node's agent"),
        pytest.param("somebody", "no token of a node's agent", id="somebody else"),
        pytest.param("made up", "no token of a node's agent", id="a token that is not good"),
        pytest.param("", "no token of a node's agent", id="no token"),
    ],
)
async def test_nobody_else_gets_anything(token: str, words: str) -> None:
    async with scene() as told:
        await told.write(user=WORDS)

        with pytest.raises(Unavailable, match=words):
            await told.asks(token).read(told.order)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(None, "there is no Secret boot in namespace shop", id="no Secret"),
        pytest.param({"other": b""}, "Secret boot has no key user in namespace shop", id="no such key"),
    ],
)
async def test_a_secret_that_is_missing_is_named(data: dict[str, bytes] | None, words: str) -> None:
    async with scene() as told:
        if data is not None:
            await told.write(**data)

        with pytest.raises(NotReady, match=words) as caught:
            await told.asks().read(told.order)
        assert caught.value.reason == "SecretNotFound"


async def test_a_domain_that_names_more_than_its_machine_gets_nothing_of_it() -> None:
    async with scene() as told:
        await told.write(user=WORDS, admin=b"hush")
        key = told.order.meta.key
        body = told.cosmos.etcd.objects[kinds.DOMAIN, key]
        seed = {"hostname": "web", "userData": {"secret": {"name": "boot", "key": "admin"}}}
        told.cosmos.etcd.put(kinds.DOMAIN, key, {**body, "spec": {**body["spec"], "seed": seed}})
        told.cosmos.controllers[0].caches.hear()

        with pytest.raises(Unavailable, match="does not name Secret boot, key admin"):
            await told.asks().read(told.order)


async def test_a_domain_that_speaks_for_a_machine_elsewhere_gets_nothing() -> None:
    async with scene() as told:
        await told.write(user=WORDS)
        order = told.order
        (pod,) = told.cosmos.etcd.every(kinds.POD)
        told.cosmos.etcd.drop(kinds.POD, pod[0])
        machine = told.cosmos.etcd.objects[kinds.VIRTUALMACHINE, Key("shop", "web")]
        status = {**machine["status"], "nodeName": "elsewhere"}
        told.cosmos.etcd.put(kinds.VIRTUALMACHINE, Key("shop", "web"), {**machine, "status": status})
        told.cosmos.controllers[0].caches.hear()

        with pytest.raises(Unavailable, match="there is no Domain"):
            await told.asks().read(order)


CEPH = {"monitors": ["mon"], "pool": "vms", "user": "drover", "keySecretRef": {"name": "boot", "key": "user"}}


async def furnish(told: Scene, **selector: str) -> None:
    """Have a pool of Ceph on the nodes with these labels, and its Secret."""
    pool = {"type": "RBD", "rbd": CEPH, **({"nodeSelector": selector} if selector else {})}
    told.cosmos.etcd.put(kinds.POOL, Key("", "vms"), {"metadata": {"name": "vms"}, "spec": pool})
    told.cosmos.controllers[0].caches.hear()
    data = {"user": base64.b64encode(WORDS).decode()}
    await told.cosmos.client.create(
        kinds.SECRET, {"metadata": {"name": "boot", "namespace": "drover-system"}, "data": data}
    )


async def test_the_nodes_of_a_pool_of_ceph_get_its_key() -> None:
    async with scene() as told:
        await furnish(told)

        assert await told.asks("n2").pool_key("vms", BOOT) == WORDS
        with pytest.raises(Unavailable, match="does not name Secret boot, key other"):
            await told.asks().pool_key("vms", SecretKey(name="boot", key="other"))


@pytest.mark.parametrize(
    ("pool", "token", "words"),
    [
        pytest.param("vms", "n1", "no StoragePool vms with a key on", id="a node without the pool"),
        pytest.param("other", "n1", "no StoragePool other with a key on", id="no pool"),
        pytest.param("vms", "somebody", "no token of a node's agent", id="somebody else"),
    ],
)
async def test_nobody_else_gets_the_key_of_a_pool(pool: str, token: str, words: str) -> None:
    async with scene() as told:
        await furnish(told, disk="fast")

        with pytest.raises(Unavailable, match=words):
            await told.asks(token).pool_key(pool, BOOT)


async def test_a_caller_too_many_is_sent_away_and_an_answer_that_takes_too_long_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scene() as told:
        monkeypatch.setattr(nodeapi, "WAITING", 0)
        with pytest.raises(Unavailable, match="too many are asking"):
            await told.asks().read(told.order)
        monkeypatch.setattr(nodeapi, "WAITING", 1)
        monkeypatch.setattr(nodeapi, "ANSWER_SECONDS", 0.0)
        with pytest.raises(Unavailable, match="does not answer"):
            await told.asks().read(told.order)


async def test_where_it_is_is_said_again_when_that_was_lost_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodeapi, "PUBLISH_SECONDS", 0.0)
    async with scene() as told:
        key = Key("drover-system", "drover-node-api")
        writes = told.cosmos.etcd.writes
        await told.place.publish(told.world)
        assert told.cosmos.etcd.writes == writes
        told.cosmos.etcd.drop(kinds.CONFIG_MAP, key)
        keeping = asyncio.create_task(told.place.keep(told.world))
        for _ in range(100):
            await asyncio.sleep(0)
        keeping.cancel()
        assert (kinds.CONFIG_MAP, key) in told.cosmos.etcd.objects


def test_an_address_of_ipv6_is_written_as_in_a_url() -> None:
    assert [nodeapi.bracketed(host) for host in ("10.0.0.7", "fd00::7", "[fd00::7]")] == [
        "10.0.0.7",
        "[fd00::7]",
        "[fd00::7]",
    ]


async def test_an_api_server_that_does_not_answer_is_no_refusal() -> None:
    async with scene() as told:

        async def fails(*_: Any, **__: Any) -> Any:
            raise OperatorError("no answer")

        told.world.cluster.create = fails  # type: ignore[method-assign]

        with pytest.raises(Unavailable, match="does not answer"):
            await told.asks().read(told.order)


async def test_nobody_can_pretend_to_be_the_controller() -> None:
    async with scene() as told:
        other = certificate.make("drover-controller", told.world.cluster.now())
        key = Key("drover-system", "drover-node-api")
        body = told.cosmos.etcd.objects[kinds.CONFIG_MAP, key]
        data = {**body["data"], "certificate": other.certificate}
        told.cosmos.etcd.put(kinds.CONFIG_MAP, key, {**body, "data": data})

        with pytest.raises(Unavailable, match="ClientConnectorCertificateError"):
            await told.asks().read(told.order)


async def test_until_a_controller_says_where_it_is_there_is_nobody_to_ask() -> None:
    async with scene() as told:
        told.cosmos.etcd.drop(kinds.CONFIG_MAP, Key("drover-system", "drover-node-api"))

        with pytest.raises(Unavailable, match="no controller says where"):
            await told.asks().read(told.order)


async def test_the_next_controller_says_where_it_is_instead() -> None:
    async with scene() as told:
        settings = ControllerSettings(node_api_address="127.0.0.1:0", node_api_advertised="10.0.0.7:8443")

        await told.place.publish(replace(told.world, settings=settings))

        body = told.cosmos.etcd.objects[kinds.CONFIG_MAP, Key("drover-system", "drover-node-api")]
        assert body["data"]["address"] == "10.0.0.7:8443"


async def test_nothing_but_tls_is_spoken() -> None:
    async with scene() as told, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://{told.place.address}/v1/seeds/shop/web-1")
    assert certificate.trusting(told.place.certificate).verify_mode == ssl.CERT_REQUIRED


KEYS, IMAGE = Key("shop", "keys"), "shop/tiny"


@asynccontextmanager
async def private_image(value: bytes = b"Bearer hush\n") -> AsyncIterator[Scene]:
    """A machine whose kernel takes a Secret to fetch."""
    async with scene() as told:
        data = {"Authorization": base64.b64encode(value).decode()}
        metadata = {"name": KEYS.name, "namespace": KEYS.namespace}
        await told.cosmos.client.create(kinds.SECRET, {"metadata": metadata, "data": data})
        yield told


async def test_an_agent_gets_what_it_takes_to_fetch_an_image_of_its_machine() -> None:
    async with private_image() as told:
        found = await told.asks().credentials(told.order.meta.key, IMAGE, "keys")

    assert found == {"Authorization": "Bearer hush"}


@pytest.mark.parametrize(
    ("token", "image", "secret"),
    [
        pytest.param("n2", "shop/tiny", "keys", id="another node's agent"),
        pytest.param("n1", "shop/tiny", "other", id="another Secret"),
        pytest.param("n1", "shop/other", "keys", id="another image"),
        pytest.param("n1", "library/tiny", "keys", id="an image elsewhere"),
    ],
)
async def test_nobody_else_gets_an_images_secret(token: str, image: str, secret: str) -> None:
    async with private_image() as told:
        with pytest.raises(Unavailable, match="refuses"):
            await told.asks(token).credentials(told.order.meta.key, image, secret)


async def test_an_images_secret_that_is_missing_is_named() -> None:
    async with private_image() as told:
        told.cosmos.etcd.drop(kinds.SECRET, KEYS)

        with pytest.raises(NotReady, match="there is no Secret keys in namespace shop"):
            await told.asks().credentials(told.order.meta.key, IMAGE, "keys")


async def test_a_secret_that_is_no_text_is_no_credentials() -> None:
    async with private_image(b"\xff") as told:
        with pytest.raises(NotReady, match="not text"):
            await told.asks().credentials(told.order.meta.key, IMAGE, "keys")


VAULT = {"encryption": {"keySecretRef": {"name": "boot", "key": "user"}}}


@asynccontextmanager
async def encrypted(**data: bytes) -> AsyncIterator[Scene]:
    """A machine with an encrypted disk, and a passphrase."""
    async with scene(disks=[{"name": "root", "size": "1Gi", **VAULT}]) as told:
        await told.write(**data)
        yield told


async def passphrase(told: Scene, token: str = "n1", key: SecretKey = BOOT, **changes: Any) -> bytes:
    order = told.order
    disk = order.spec.disks[0].model_copy(update=changes)
    return await told.asks(token).passphrase(order, disk, key)


async def test_an_agent_gets_what_opens_a_volume_of_its_machine() -> None:
    async with encrypted(user=b"hush") as told:
        assert await passphrase(told) == b"hush"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"token": "n2"}, "there is no Domain", id="another node's agent"),
        pytest.param({"volume": "other"}, "no encrypted StorageVolume other", id="another volume"),
        pytest.param({"key": SecretKey(name="admin", key="user")}, "does not name Secret admin", id="another Secret"),
    ],
)
async def test_nobody_else_gets_what_opens_a_volume(changes: Any, words: str) -> None:
    async with encrypted(user=b"hush") as told:
        with pytest.raises(Unavailable, match=words):
            await passphrase(told, **changes)


async def test_a_passphrase_that_is_missing_is_named_with_its_disk() -> None:
    async with encrypted(other=b"hush") as told:
        with pytest.raises(NotReady, match="disk root: Secret boot has no key user in namespace shop") as caught:
            await passphrase(told)

    assert caught.value.reason == "SecretNotFound"
