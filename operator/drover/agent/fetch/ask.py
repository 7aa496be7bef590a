"""Asking a server for a file over HTTP: within reach, by few redirects."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from drover.agent.fetch.body import CHUNK_BYTES
from drover.agent.fetch.order import Order, Request, Trouble
from drover.agent.fetch.reach import Reach, Sockets, check_by_name, read, refusal

MAXIMUM_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SCHEMES = frozenset({"http", "https"})


@asynccontextmanager
async def answer(order: Order, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask, and follow where the server points; the last answer, whatever its status, with its body still to come."""
    reach, url = read(order.hosts), URL(request.url, encoded=request.exact)
    first = url.origin()
    for _ in range(MAXIMUM_REDIRECTS + 1):
        headers = {**request.headers, **(request.secret if url.origin() == first else {})}
        async with _asked(url, order, reach, headers) as response:
            place = response.headers.get("Location") if response.status in REDIRECTS else None
            if place is None:
                yield response
                return
            url = _next(url, place, order)
    raise Trouble("TooManyRedirects", f"the server redirects more than {MAXIMUM_REDIRECTS} times")


@asynccontextmanager
async def _asked(
    url: URL, order: Order, reach: Reach, headers: Mapping[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    host, proxy = url.host or "", _proxy(url)
    if proxy:
        check_by_name(reach, host)
    sockets = Sockets(reach, known=bool(proxy) or reach.knows(host))
    connector = aiohttp.TCPConnector(socket_factory=sockets.make, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=_timeout(order), auto_decompress=False) as session:
        try:
            response = await session.get(
                url, headers=headers, allow_redirects=False, proxy=proxy, read_bufsize=CHUNK_BYTES
            )
        except aiohttp.ClientConnectorError as error:
            raise (refusal(host) if sockets.refused else error) from error
        async with response:
            yield response


def _timeout(order: Order) -> aiohttp.ClientTimeout:
    seconds = order.connect_seconds
    return aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=order.stall_seconds, connect=seconds)


def _next(url: URL, place: str, order: Order) -> URL:
    target = url.join(URL(place))
    if target.scheme not in SCHEMES or not target.host:
        raise Trouble("RedirectRefused", "the server redirects to what is neither an http nor an https URL")
    if url.scheme == "https" and target.scheme == "http" and not order.checksum:
        raise Trouble("RedirectRefused", "the server redirects from https to http, and no checksum is asked for")
    return target


def _proxy(url: URL) -> str | None:
    """The proxy that the operator has set in the environment for this URL."""
    return None if proxy_bypass(url.host or "") else getproxies().get(url.scheme)
