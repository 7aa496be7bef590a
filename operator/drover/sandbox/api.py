"""A small client of the sandbox's own API server, with the sandbox's own certificate.

Objects are addressed by path, as in ``/api/v1/nodes/n1``; bodies are JSON values.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from drover.errors import InvalidSpec, Unavailable
from drover.sandbox.layout import Layout

Body = dict[str, Any]
MANAGER = "drover-sandbox"
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
WATCH_LINE_LIMIT = 4 * 1024 * 1024
OK = 200
GONE = 404


@dataclass(frozen=True, slots=True)
class Api:
    """An open connection."""

    session: aiohttp.ClientSession

    async def ready(self) -> bool:
        """Tell whether the API server serves."""
        try:
            async with self.session.get("/readyz") as response:
                return response.status == OK
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def get(self, path: str) -> Body | None:
        """Return an object or a list, ``None`` if there is none."""
        return await self._call("GET", path)

    async def create(self, path: str, body: Body) -> Body | None:
        """Post a body to a collection or subresource."""
        return await self._call("POST", path, body)

    async def apply(self, path: str, body: Body) -> Body | None:
        """Apply an object server-side; conflicts are decided for us."""
        kind = "application/apply-patch+yaml"
        return await self._call("PATCH", f"{path}?fieldManager={MANAGER}&force=true", body, kind)

    async def merge(self, path: str, body: Body) -> Body | None:
        """Merge a body into an object, ``None`` if there is none."""
        return await self._call("PATCH", path, body, "application/merge-patch+json")

    async def delete(self, path: str) -> Body | None:
        """Delete an object, ``None`` if there is none."""
        return await self._call("DELETE", path)

    async def watch(self, path: str) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a watch until the server ends it."""
        patience = aiohttp.ClientTimeout(total=None, sock_connect=5)
        try:
            async with self.session.get(path, timeout=patience) as response:
                if response.status != OK:
                    raise Unavailable(f"the watch of {path} was refused with {response.status}")
                while line := await response.content.readline():
                    yield line
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(f"the watch of {path} broke: {error}") from error

    async def _call(
        self, verb: str, path: str, body: Body | None = None, kind: str = "application/json"
    ) -> Body | None:
        try:
            async with self.session.request(verb, path, json=body, headers=_headers(body, kind)) as response:
                answer: Body = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(f"the API server does not answer: {error}") from error
        return _judge(response.status, answer)


def _headers(body: Body | None, kind: str) -> dict[str, str]:
    return {} if body is None else {"Content-Type": kind}


def _judge(status: int, answer: Body) -> Body | None:
    if status == GONE:
        return None
    if status >= 500:
        raise Unavailable(str(answer.get("message", status)))
    if status >= 400:
        raise InvalidSpec(str(answer.get("message", status)))
    return answer


@asynccontextmanager
async def connect(layout: Layout) -> AsyncIterator[Api]:
    """Open a connection to the sandbox's API server."""
    context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
    context.load_cert_chain(layout.pki / "sandbox.crt", layout.pki / "sandbox.key")
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(
        layout.api_url, connector=connector, timeout=TIMEOUT, read_bufsize=WATCH_LINE_LIMIT
    ) as session:
        yield Api(session)
