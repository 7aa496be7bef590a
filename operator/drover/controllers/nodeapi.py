"""The node API: what agents may have of the cluster that their own permissions do not give them.

``GET /v1/seeds/<namespace>/<domain>`` answers the Secrets that a Domain's seed names, each as base64 under
``<name>/<key>``; ``GET /v1/images/…`` the Secret that it takes to fetch an image for it, under its keys;
``GET /v1/keys/…`` the passphrase of an encrypted volume of it. Who asks
proves by its token that it is the agent of a node, and gets only what a Domain of that node names and the machine
behind it, which has a place on that node, names still. ``GET /v1/pools/<pool>`` answers the key of a pool of Ceph to
the nodes that the pool selects. The controller that leads says in a ConfigMap where it listens and which certificate it
has.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import structlog
from aiohttp import web

from drover.api.cloudinit import SecretKey
from drover.api.kinds import CONFIG_MAP, SECRET, TOKEN_REVIEW
from drover.controllers.gather import gather
from drover.controllers.watches import MACHINE
from drover.controllers.world import World
from drover.errors import OperatorError
from drover.kube.errors import AlreadyExists
from drover.metrics.registry import wrote
from drover.planning import nodeapi
from drover.planning.catalog import Catalog
from drover.planning.view import DomainView, MachineView, view
from drover.runtime import certificate
from drover.runtime.certificate import Certificate
from drover.runtime.patience import patiently
from drover.state.resource import Body, Key

Answer = Callable[[DomainView, MachineView], Awaitable[web.Response]]
"""Answers what is asked for a Domain, given the machine behind it."""
log = structlog.stdlib.get_logger(__name__)
DOMAIN = ("namespace", "domain")
"""What names a Domain in a route."""
REVIEWS = 8
"""Tokens that are reviewed at a time."""
WAITING = 256
"""Callers that are heard at a time; more are sent away, to come back later."""
ANSWER_SECONDS = 10.0
IDLE_SECONDS = 10.0
"""How long a connection may take to ask, or to ask again."""
PUBLISH_SECONDS = 60.0
"""How often it is made sure that agents are told where the node API is."""


class NodeAPI:
    """Answers agents."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._reviews = asyncio.Semaphore(REVIEWS)
        self._heard = 0

    async def seed(self, request: web.Request) -> web.Response:
        """Answer the Secrets of one Domain's seed."""
        return await self._answer(request, self._secrets)

    async def image(self, request: web.Request) -> web.Response:
        """Answer the Secret that it takes to fetch an image of a Domain."""
        names = request.match_info
        image, secret = Key(names["owner"], names["image"]), names["secret"]
        return await self._answer(request, partial(self._credentials, image=image, secret=secret))

    async def key(self, request: web.Request) -> web.Response:
        """Answer the passphrase of an encrypted volume of a Domain."""
        return await self._answer(request, partial(self._passphrase, volume=request.match_info["volume"]))

    async def pool(self, request: web.Request) -> web.Response:
        """Answer the key of a pool of Ceph to the agent of a node that has it."""
        token, pool = request.headers.get("Authorization", ""), request.match_info["pool"]
        return await self._bounded(pool, partial(self._pool_key, token, pool))

    async def _answer(self, request: web.Request, answer: Answer) -> web.Response:
        """Answer the agent of a Domain's node."""
        key, token = Key(*(request.match_info[name] for name in DOMAIN)), request.headers.get("Authorization", "")
        return await self._bounded(str(key), partial(self._hear, key, token, answer))

    async def _bounded(self, what: str, answer: Callable[[], Awaitable[web.Response]]) -> web.Response:
        """Answer so many at a time, and each within a time; `what` is what was asked for."""
        if self._heard >= WAITING:
            return _refusal(503, "Busy", "too many are asking")
        self._heard += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer()
        except (OperatorError, TimeoutError) as error:
            reason = error.reason if isinstance(error, OperatorError) else "Timeout"
            log.warning("cannot answer an agent", asked=what, reason=reason)
            return _refusal(503, reason, "the API server does not answer")
        finally:
            self._heard -= 1

    async def _hear(self, key: Key, authorization: str, answer: Answer) -> web.Response:
        node = await self._caller(authorization)
        if not node:
            return _refusal(401, "Unauthorized", "this is no token of a node's agent")
        domain = self._domain(key)
        machine = self._machine(domain) if domain else None
        if domain is None or machine is None or not nodeapi.may_read(domain, machine, self._places(machine), node):
            return _refusal(403, "Forbidden", f"there is no Domain {key} on {node}")
        return await answer(domain, machine)

    async def _caller(self, authorization: str) -> str:
        """Name of the node whose agent asks, empty when it is somebody else."""
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer" or not token:
            return ""
        body = {"metadata": {}, "spec": {"token": token}}
        async with self._reviews:
            answer = await self._world.cluster.create(TOKEN_REVIEW, body)
        return nodeapi.node_of(answer.get("status") or {}, self._world.settings.namespace)

    def _domain(self, key: Key) -> DomainView | None:
        found = self._world.stores.domains.get(key)
        return view(found) if found else None

    def _machine(self, domain: DomainView) -> MachineView | None:
        found = self._world.stores.machines.get(Key(domain.meta.key.namespace, domain.spec.virtual_machine.name))
        return view(found) if found else None

    def _places(self, machine: MachineView) -> frozenset[str]:
        """Nodes that a machine has a place on, by the scheduler's word."""
        anchors = self._world.stores.anchors.by(MACHINE, machine.meta.uid)
        return frozenset(pod.node for pod in anchors if pod.meta.owner == machine.meta.uid and pod.node)

    async def _secrets(self, domain: DomainView, machine: MachineView) -> web.Response:
        namespace = domain.meta.key.namespace
        wanted = nodeapi.readable(domain, machine.spec.cloud_init)
        names = sorted({secret.name for secret in wanted})
        found = await asyncio.gather(*(self._world.cluster.get(SECRET, Key(namespace, name)) for name in names))
        return _answer(namespace, wanted, dict(zip(names, found, strict=True)))

    async def _passphrase(self, domain: DomainView, machine: MachineView, volume: str) -> web.Response:
        namespace, found = domain.meta.key.namespace, gather(machine.meta.key, self._world)
        held = self._world.stores.volumes.get(Key(namespace, volume))
        whole = found.machine if found and found.machine.meta.uid == machine.meta.uid else machine
        wanted = nodeapi.passphrase(domain, whole, view(held) if held else None)
        if wanted is None:
            words = f"machine {machine.meta.key.name} has no encrypted StorageVolume {volume} on this node"
            return _refusal(403, "Forbidden", words)
        return _answer(
            namespace, (wanted,), {wanted.name: await self._world.cluster.get(SECRET, Key(namespace, wanted.name))}
        )

    async def _pool_key(self, authorization: str, name: str) -> web.Response:
        node = await self._caller(authorization)
        if not node:
            return _refusal(401, "Unauthorized", "this is no token of a node's agent")
        pool = self._world.stores.pools.get(Key("", name))
        place = self._world.stores.nodes.get(Key("", node))
        wanted = nodeapi.pool_key(view(pool) if pool else None, dict(place.meta.labels) if place else {})
        if wanted is None or place is None:
            return _refusal(403, "Forbidden", f"there is no StoragePool {name} with a key on {node}")
        namespace = self._world.settings.namespace
        body = await self._world.cluster.get(SECRET, Key(namespace, wanted.name))
        return _answer(namespace, (wanted,), {wanted.name: body})

    async def _credentials(self, domain: DomainView, machine: MachineView, image: Key, secret: str) -> web.Response:
        found = gather(machine.meta.key, self._world)
        held = self._world.stores.images.get(image)
        catalog = found.catalog if found and found.machine.meta.uid == machine.meta.uid else Catalog("")
        if not nodeapi.may_fetch(domain, view(held) if held else None, secret, catalog):
            words = f"machine {machine.meta.key.name} does not use Secret {secret} by image {image}"
            return _refusal(403, "Forbidden", words)
        body = await self._world.cluster.get(SECRET, Key(image.namespace, secret))
        if body is None:
            what = f"there is no Secret {secret} in namespace {image.namespace}"
            return _refusal(404, "SecretNotFound", what)
        return _told(body.get("data") or {})


def _answer(namespace: str, wanted: Sequence[SecretKey], found: dict[str, Body | None]) -> web.Response:
    secrets: dict[str, str] = {}
    versions: dict[str, str] = {}
    for each in wanted:
        body = found[each.name]
        value = ((body or {}).get("data") or {}).get(each.key)
        if value is None:
            what = f"there is no Secret {each.name}" if body is None else f"Secret {each.name} has no key {each.key}"
            return _refusal(404, "SecretNotFound", f"{what} in namespace {namespace}")
        secrets[f"{each.name}/{each.key}"] = value
        versions[each.name] = version_of(body)
    return _told(secrets, versions=versions)


def version_of(secret: Body | None) -> str:
    """Name what a Secret holds, empty for one that is gone."""
    return nodeapi.version(secret["metadata"]["uid"], secret.get("data") or {}) if secret else ""


def _told(secrets: Mapping[str, str], **more: Mapping[str, str]) -> web.Response:
    return web.json_response({"secrets": dict(secrets), **more}, headers={"Cache-Control": "no-store"})


def _refusal(status: int, reason: str, message: str) -> web.Response:
    return web.json_response({"reason": reason, "message": message}, status=status)


@asynccontextmanager
async def serve(world: World) -> AsyncIterator["Place"]:
    """Serve while the context lasts."""
    pair = certificate.make(nodeapi.SERVER_NAME, world.cluster.now())
    application = web.Application()
    api = NodeAPI(world)
    routes = {
        nodeapi.ROUTE: api.seed,
        nodeapi.IMAGE_ROUTE: api.image,
        nodeapi.KEY_ROUTE: api.key,
        nodeapi.POOL_ROUTE: api.pool,
    }
    application.add_routes([web.get(route, answer) for route, answer in routes.items()])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, keepalive_timeout=IDLE_SECONDS)
    await runner.setup()
    host, _, port = world.settings.node_api_address.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port), ssl_context=pair.server_context()).start()
        yield Place(f"{bracketed(host)}:{runner.addresses[0][1]}", pair)
    finally:
        await runner.cleanup()


def bracketed(host: str) -> str:
    """Write an address as URLs have it: a pod may have one of IPv6."""
    return f"[{host.strip('[]')}]" if ":" in host else host


class Place:
    """Where the node API of this process listens."""

    def __init__(self, address: str, pair: Certificate) -> None:
        self.address = address
        self.certificate = pair.certificate

    async def keep(self, world: World) -> None:
        """Have agents find it, until cancelled: who leads has seen the most."""
        while True:
            await patiently("publish the node API", partial(self.publish, world))
            await asyncio.sleep(PUBLISH_SECONDS)

    async def publish(self, world: World) -> None:
        """Say where it listens, unless that is what is said."""
        settings = world.settings
        address = settings.node_api_advertised or self.address
        content = {"data": {"address": address, "certificate": self.certificate}}
        key = Key(settings.namespace, nodeapi.CONFIG_MAP_NAME)
        found = await world.cluster.get(CONFIG_MAP, key)
        if found is not None and found.get("data") == content["data"]:
            return
        wrote(CONFIG_MAP.name, "update")
        if found is not None:
            await world.cluster.replace(CONFIG_MAP, {**found, **content})
            return
        metadata = {"name": key.name, "namespace": key.namespace}
        try:
            await world.cluster.create(CONFIG_MAP, {"metadata": metadata, **content})
        except AlreadyExists:
            await self.publish(world)
