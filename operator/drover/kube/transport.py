"""HTTP to the API server: fresh token, bounded answers, one time limit, foreign exceptions converted."""

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from drover.errors import Unavailable
from drover.kube.connection import Endpoint
from drover.kube.errors import Answer, ApiFault, convert, read_answer

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
OBJECT_LIMIT = 4 << 20
"""Bytes one object may have: etcd keeps 1.5 MiB."""
LIST_LIMIT = 64 << 20
"""Bytes one page of a list may have."""
UNAUTHORIZED = 401
FAILED = 400


@dataclass(frozen=True, slots=True)
class Request:
    """One call: method, path below the server, query, JSON content and how to read the answer."""

    method: str
    path: str
    query: Mapping[str, str]
    content: object = None
    content_type: str = JSON
    accept: str = JSON
    limit: int = OBJECT_LIMIT


class Transport:
    """A pool of connections to one API server; async context manager, bound to one event loop."""

    def __init__(self, endpoint: Endpoint, *, user_agent: str, limit: int) -> None:
        self._endpoint = endpoint
        self._user_agent = user_agent
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = open_session(self._endpoint, user_agent=self._user_agent, limit=self._limit)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request) -> dict[str, Any] | Answer:
        """Give the parsed answer, or the server's refusal; `Unavailable` when there is no answer at all."""
        answer = await self._attempt(request)
        if isinstance(answer, Answer) and answer.code == UNAUTHORIZED:
            # The token may have been replaced between our reading and the server's.
            return await self._attempt(request)
        return answer

    async def _attempt(self, request: Request) -> dict[str, Any] | Answer:
        try:
            return await self._exchange(request)
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError) as error:
            raise Unavailable(f"{request.method} {request.path}: {error or type(error).__name__}") from error

    async def _exchange(self, request: Request) -> dict[str, Any] | Answer:
        assert self._session is not None, "the cluster is an async context manager"
        data = None if request.content is None else json.dumps(request.content, separators=(",", ":")).encode()
        headers = {"Content-Type": request.content_type, "Accept": request.accept}
        url = self._endpoint.server + request.path
        async with self._session.request(
            request.method, url, params=request.query, data=data, headers=headers
        ) as response:
            body = await _read(response, request.limit)
            if response.status >= FAILED:
                return read_answer(response.status, response.headers, body)
        return _parse(body)


def open_session(
    endpoint: Endpoint, *, user_agent: str, limit: int, middlewares: Sequence[aiohttp.ClientMiddlewareType] = ()
) -> aiohttp.ClientSession:
    """Open a session for the running loop that sends the present token with each request, whoever makes it."""

    async def authorise(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        # The kubelet replaces the file about hourly; reading 1 kB anew is cheaper than noticing when.
        if endpoint.token is not None:
            request.headers["Authorization"] = f"Bearer {endpoint.token.read()}"
        return await handler(request)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit, ssl=endpoint.ssl_context()),
        headers={"User-Agent": user_agent},
        timeout=TIMEOUT,
        middlewares=(*middlewares, authorise),
    )


def checked(answer: dict[str, Any] | Answer) -> dict[str, Any]:
    """Give the content, or raise what a refusal means."""
    if isinstance(answer, Answer):
        raise convert(answer)
    return answer


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise ApiFault(f"{response.method} {response.url.path}: answer larger than {limit} bytes")
    return bytes(body)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError as error:
        raise Unavailable(f"the API server answered something that is no JSON: {body[:100]!r}") from error
    if not isinstance(content, dict):
        raise Unavailable(f"the API server answered no object: {body[:100]!r}")
    return content
