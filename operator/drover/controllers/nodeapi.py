"""The node API: what agents may have of the cluster that their own permissions do not give them.

``GET /v1/seeds/<namespace>/<domain>`` answers the Secrets that a Domain's seed names, each as base64 under
``<name>/<key>``. Who asks proves by its token that it is the agent of a node, and gets only what a Domain of that node
names and the machine behind it names still. The controller that leads says in a ConfigMap where it listens and which
certificate it has.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from drover.api.cloudinit import CloudInit, SecretKey
from drover.api.kinds import CONFIG_MAP, SECRET, TOKEN_REVIEW
from drover.controllers.world import World
from drover.errors import OperatorError
from drover.kube.errors import AlreadyExists
from drover.metrics.registry import wrote
from drover.planning import nodeapi
from drover.planning.view import DomainView, view
from drover.runtime import certificate
from drover.runtime.certificate import Certificate
from drover.state.resource import Body, Key

log = structlog.stdlib.get_logger(__name__)
REVIEWS = 8
"""Tokens that are reviewed at a time."""


class NodeAPI:
    """Answers agents."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._reviews = asyncio.Semaphore(REVIEWS)

    async def seed(self, request: web.Request) -> web.Response:
        """Answer the Secrets of one Domain's seed."""
        key = Key(request.match_info["namespace"], request.match_info["domain"])
        try:
            return await self._answer(key, request.headers.get("Authorization", ""))
        except OperatorError as error:
            log.warning("cannot answer an agent", domain=str(key), reason=error.reason)
            return _refusal(503, error.reason, "the API server does not answer")

    async def _answer(self, key: Key, authorization: str) -> web.Response:
        node = await self._caller(authorization)
        if not node:
            return _refusal(401, "Unauthorized", "this is no token of a node's agent")
        domain = self._domain(key)
        if domain is None or not nodeapi.may_read(domain, node):
            return _refusal(403, "Forbidden", f"there is no Domain {key} on {node}")
        return await self._secrets(domain)

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

    async def _secrets(self, domain: DomainView) -> web.Response:
        namespace = domain.meta.key.namespace
        wanted = nodeapi.readable(domain, self._cloud_init(domain))
        names = sorted({secret.name for secret in wanted})
        found = await asyncio.gather(*(self._world.cluster.get(SECRET, Key(namespace, name)) for name in names))
        return _answer(namespace, wanted, dict(zip(names, found, strict=True)))

    def _cloud_init(self, domain: DomainView) -> CloudInit | None:
        machine = domain.spec.virtual_machine
        found = self._world.stores.machines.get(Key(domain.meta.key.namespace, machine.name))
        return view(found).spec.cloud_init if found and found.meta.uid == machine.uid else None


def _answer(namespace: str, wanted: Sequence[SecretKey], found: dict[str, Body | None]) -> web.Response:
    secrets: dict[str, str] = {}
    for each in wanted:
        body = found[each.name]
        value = ((body or {}).get("data") or {}).get(each.key)
        if value is None:
            what = f"there is no Secret {each.name}" if body is None else f"Secret {each.name} has no key {each.key}"
            return _refusal(404, "SecretNotFound", f"{what} in namespace {namespace}")
        secrets[f"{each.name}/{each.key}"] = value
    return web.json_response({"secrets": secrets}, headers={"Cache-Control": "no-store"})


def _refusal(status: int, reason: str, message: str) -> web.Response:
    return web.json_response({"reason": reason, "message": message}, status=status)


@asynccontextmanager
async def serve(world: World) -> AsyncIterator["Place"]:
    """Serve while the context lasts."""
    pair = certificate.make(nodeapi.SERVER_NAME, world.cluster.now())
    application = web.Application()
    application.add_routes([web.get(nodeapi.ROUTE, NodeAPI(world).seed)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    host, _, port = world.settings.node_api_address.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port), ssl_context=pair.server_context()).start()
        yield Place(f"{host}:{runner.addresses[0][1]}", pair)
    finally:
        await runner.cleanup()


class Place:
    """Where the node API of this process listens."""

    def __init__(self, address: str, pair: Certificate) -> None:
        self.address = address
        self.certificate = pair.certificate

    async def publish(self, world: World) -> None:
        """Say where it listens: who leads has seen the most."""
        settings = world.settings
        address = settings.node_api_advertised or self.address
        content = {"data": {"address": address, "certificate": self.certificate}}
        key = Key(settings.namespace, nodeapi.CONFIG_MAP_NAME)
        wrote(CONFIG_MAP.name, "update")
        found = await world.cluster.get(CONFIG_MAP, key)
        if found is not None:
            await world.cluster.replace(CONFIG_MAP, {**found, **content})
            return
        metadata = {"name": key.name, "namespace": key.namespace}
        try:
            await world.cluster.create(CONFIG_MAP, {"metadata": metadata, **content})
        except AlreadyExists:
            await self.publish(world)
