"""A web server of one file that misbehaves as a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
PATIENCE = 30.0


@dataclass
class Website:
    """Answers each request by the next of `answers`, the last one for ever."""

    answers: list[Answer]
    ranges: list[str] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.ranges.append(request.headers.get("Range", ""))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)


@asynccontextmanager
async def website(*answers: Answer) -> AsyncIterator[Website]:
    """Serve on a free port of this machine."""
    site = Website(list(answers))
    application = web.Application()
    application.router.add_get("/{path:.*}", site.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}/image"
    try:
        yield site
    finally:
        await runner.cleanup()


def content(body: bytes, **headers: str) -> Answer:
    """The whole file."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers=headers)

    return answer


def status(code: int, **headers: str) -> Answer:
    """No file."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers=headers)

    return answer


def cut(body: bytes, sent: int, **headers: str) -> Answer:
    """Promise the whole file, send a part and hang up."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await _begin(request, body, headers)
        await response.write(body[:sent])
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


def stall(body: bytes, sent: int, **headers: str) -> Answer:
    """Promise the whole file, send a part and fall silent."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await _begin(request, body, headers)
        await response.write(body[:sent])
        await asyncio.sleep(PATIENCE)
        return response

    return answer


def drip(body: bytes, pause: float, **headers: str) -> Answer:
    """Promise the whole file and send it byte by byte."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await _begin(request, body, headers)
        for place in range(len(body)):
            await response.write(body[place : place + 1])
            await asyncio.sleep(pause)
        return response

    return answer


def endless(body: bytes) -> Answer:
    """Send a body again and again without saying how long it is."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(body)
        return response

    return answer


def until_closed(body: bytes) -> Answer:
    """Send the file without saying how long it is, as old servers do: it ends where the connection does."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)
        request.transport.close()
        return web.Response()

    return answer


def rest(body: bytes, *, tag: str = '"one"', most: int | None = None, total: int | None = None) -> Answer:
    """What the client asks for by Range, or at `most` so many bytes of it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        part = body[start:] if most is None else body[start : start + most]
        told = {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{total or len(body)}", "ETag": tag}
        return web.Response(status=206, body=part, headers=told)

    return answer


async def _begin(request: web.Request, body: bytes, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(body))})
    await response.prepare(request)
    return response
