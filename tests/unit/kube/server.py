"""An API server in memory: names, versions and refusals, enough to see what our client sends and understands."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from drover.kube.client import Cluster
from drover.kube.connection import Endpoint, Secret

PLURALS = {
    "customresourcedefinitions": "CustomResourceDefinition",
    "domains": "Domain",
    "events": "Event",
    "leases": "Lease",
}


@dataclass
class Api:
    """Objects by path; what is in `refusals` is answered first, one refusal a request."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    refusals: deque[tuple[int, dict[str, str], bytes]] = field(default_factory=deque)
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    revision: int = 0
    url: str = ""

    def refuse(self, code: int, reason: str = "", message: str = "", **headers: str) -> None:
        body = {"kind": "Status", "reason": reason, "message": message}
        self.refusals.append((code, headers, json.dumps(body).encode()))

    def put(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """Store an object as the next revision."""
        self.revision += 1
        plural, name = path.rsplit("/", 2)[1:]
        metadata = {"uid": f"uid-{self.revision}", "name": name, **content.get("metadata", {})}
        if "/namespaces/" in path:
            metadata["namespace"] = path.rsplit("/", 3)[1]
        metadata["resourceVersion"] = str(self.revision)
        self.objects[path] = {"kind": PLURALS[plural], **content, "metadata": metadata}
        return self.objects[path]

    async def answer(self, request: web.Request) -> web.Response:
        content = json.loads(await request.read() or b"null")
        self.requests.append((request.method, request.path, dict(request.query), content))
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.refusals:
            code, headers, body = self.refusals.popleft()
            return web.Response(status=code, headers=headers, body=body)
        return getattr(self, f"_{request.method.lower()}")(request, content)  # type: ignore[no-any-return]

    def _get(self, request: web.Request, _: Any) -> web.Response:
        plural = request.path.rsplit("/", 1)[1]
        if plural in PLURALS:
            return self._list(request, plural)
        found = self.objects.get(request.path)
        return web.json_response(found) if found else refusal(404, "NotFound")

    def _list(self, request: web.Request, plural: str) -> web.Response:
        wanted = dict(term.split("=") for term in request.query.get("fieldSelector", "").split(",") if term)
        every = [found for path, found in self.objects.items() if path.rsplit("/", 2)[1] == plural]
        if name := wanted.get("metadata.name"):
            every = [found for found in every if found["metadata"]["name"] == name]
        first, limit = int(request.query.get("continue", 0)), int(request.query["limit"])
        metadata = {"resourceVersion": str(self.revision)}
        if first + limit < len(every):
            metadata["continue"] = str(first + limit)
        return web.json_response({"metadata": metadata, "items": every[first : first + limit]})

    def _post(self, request: web.Request, content: Any) -> web.Response:
        path = f"{request.path}/{content['metadata']['name']}"
        if path in self.objects:
            return refusal(409, "AlreadyExists")
        return web.json_response(self.put(path, content), status=201)

    def _put(self, request: web.Request, content: Any) -> web.Response:
        if self.objects[request.path]["metadata"]["resourceVersion"] != content["metadata"]["resourceVersion"]:
            return refusal(409, "Conflict")
        return web.json_response(self.put(request.path, content))

    def _patch(self, request: web.Request, content: Any) -> web.Response:
        path, found = request.path.removesuffix("/status"), self.objects.get(request.path.removesuffix("/status"))
        if path != request.path and found is None:
            return refusal(404, "NotFound")
        if isinstance(content, list):
            content = {"metadata": {"finalizers": content[-1]["value"]}}
        metadata = (found or {}).get("metadata", {}) | content.get("metadata", {})
        return web.json_response(self.put(path, {**(found or {}), **content, "metadata": metadata}))


def refusal(code: int, reason: str) -> web.Response:
    return web.json_response({"kind": "Status", "reason": reason, "message": reason}, status=code)


@asynccontextmanager
async def serving(api: Api) -> AsyncIterator[Api]:
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", api.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(api: Api, token: Secret | None = None) -> AsyncIterator[Cluster]:
    async with serving(api), Cluster(Endpoint(api.url, token=token), user_agent="drover-test/0") as cluster:
        yield cluster


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that nobody announces."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
