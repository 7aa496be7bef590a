"""Kopf: discovery, watches, reconnects and login. The only module that imports it.

Kopf runs in a thread and event loop of its own, because when it stops it cancels every task of its loop that is younger
than itself, and because it claims the process's signals. It writes nothing to the cluster.

Its lists are answered empty on purpose: what they would bring is listed by `drover.runtime.mirror`, which also notices
what vanished. Kopf's list still tells the moment from which it watches, and the mirror lists after that moment, so
nothing falls in between; and Kopf keeps no record of objects that never change.
"""

import asyncio
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import aiohttp
import kopf
from yarl import URL

from drover.api.kinds import Kind
from drover.kube.connection import Endpoint
from drover.kube.transport import open_session
from drover.runtime.ownloop import OwnLoop
from drover.state.resource import Body

NOTHING = "metadata.name=-"
"""A field selector that no object can match."""
CONNECTIONS = 64
LOGIN_PAUSE = 2.0
"""Seconds between two logins: a token that stays refused must not make a busy loop."""
WATCH_SECONDS = 600
"""A watch is renewed after so long, up to a fifth later by chance."""
GOODBYE_SECONDS = 0.1
END_SECONDS = 1.0
FAILED = 400
FATAL = frozenset({400, 404, 405, 410, 422})
"""Answers on which Kopf would end, and hang while it does; as a broken connection they are tried again."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects of a kind that are watched; empty selectors select all."""

    kind: Kind
    labels: str = ""
    fields: str = ""


class Listener(Protocol):
    """Who is told; called in Kopf's thread."""

    def heard(self, kind: Kind, body: Body, *, deleted: bool) -> None:
        """Take an object as the watch brought it."""

    def listed(self, kind: Kind) -> None:
        """Take note that a watch starts anew or cannot: what is there now is to be listed."""


class SelectorIgnored(Exception):
    """Kopf asks for more than it was told to: a node's agent would see the whole cluster."""


class GivenUp(Exception):
    """Kopf ended its work by itself; why, it logged."""


class Backoffs:
    """Seconds between tries of one request, for ever: the API server may be away for long, and returns unannounced."""

    def __iter__(self) -> Iterator[float]:
        delay = 0.25
        while True:
            yield delay * random.uniform(0.8, 1.2)
            delay = min(2 * delay, 2.0)


class Forgetful(kopf.DiffBaseStorage):
    """Keeps no former state: Kopf would copy each object several times to find differences that nobody asks for."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002 - Kopf's words
        """Give nothing to compare."""
        return cast(kopf.BodyEssence, {})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002 - Kopf's words
        """Remember nothing."""
        return None

    def store(self, **_: Any) -> None:
        """Write nothing."""


class Careless(kopf.ProgressStorage):
    """Keeps no progress of handlers: ours are called for each event, whatever became of the last one."""

    def fetch(self, **_: Any) -> None:
        """Remember nothing."""

    def store(self, **_: Any) -> None:
        """Write nothing."""

    def purge(self, **_: Any) -> None:
        """Remove nothing."""

    def touch(self, **_: Any) -> None:
        """Write nothing."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Leave the state as it is, which is empty."""
        return essence


class Feed:
    """Watches the selections until stopped; one per process."""

    def __init__(self, endpoint: Endpoint, user_agent: str, selections: Sequence[Selection]) -> None:
        self._endpoint = endpoint
        self._user_agent = user_agent
        base = URL(endpoint.server).path.rstrip("/")
        self._selections = {base + selection.kind.path(): selection for selection in selections}
        self._streams: dict[Kind, aiohttp.StreamReader] = {}
        self._logged_in = -LOGIN_PAUSE

    async def run(self, listener: Listener, stop: asyncio.Event) -> None:
        """Watch until `stop`; raises what ended Kopf earlier."""
        await OwnLoop("kopf", lambda halt: self._operate(listener, halt)).run(stop)

    def received(self, kind: Kind) -> tuple[int, int]:
        """Give a value that changes with each byte the watch of the kind brings, and with each reconnect."""
        stream = self._streams.get(kind)
        return (0, 0) if stream is None else (id(stream), stream.total_bytes)

    async def _operate(self, listener: Listener, halt: asyncio.Event) -> None:
        ending = asyncio.Event()
        registry, settings = self._registry(listener, ending), kopf_settings(self._selections.values())
        operator = asyncio.create_task(
            kopf.operator(registry=registry, settings=settings, standalone=True, clusterwide=True, stop_flag=halt)
        )
        ended = asyncio.create_task(ending.wait())
        await asyncio.wait({operator, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        await asyncio.wait({operator}, timeout=END_SECONDS)
        await _say_goodbye()
        if not operator.done():
            raise GivenUp("Kopf ended its work and waits for what never comes")
        operator.result()

    def _registry(self, listener: Listener, ending: asyncio.Event) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        for selection in self._selections.values():
            _listen(registry, selection.kind, listener)

        @kopf.on.login(registry=registry, id="login")
        async def login(**_: Any) -> kopf.AiohttpSession:
            return await self._login(listener)

        @kopf.on.cleanup(registry=registry, id="cleanup")
        async def cleanup(**_: Any) -> None:
            ending.set()

        return registry

    async def _login(self, listener: Listener) -> kopf.AiohttpSession:
        await asyncio.sleep(max(0.0, self._logged_in + LOGIN_PAUSE - time.monotonic()))
        self._logged_in = time.monotonic()
        session = open_session(
            self._endpoint,
            user_agent=self._user_agent,
            limit=CONNECTIONS,
            middlewares=(lambda request, handler: self._intercept(listener, request, handler),),
        )
        return kopf.AiohttpSession(server=self._endpoint.server, aiohttp_session=session)

    async def _intercept(
        self, listener: Listener, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        selection = self._selections.get(request.url.path)
        if selection is None:
            return await handler(request)
        _verify(selection, request.url)
        watching = "watch" in request.url.query
        if not watching:
            request.url = request.url.update_query(fieldSelector=NOTHING)
        response = await handler(request)
        if response.status in FATAL:
            response.close()
            listener.listed(selection.kind)
            raise aiohttp.ClientConnectionError(f"{response.status} for {selection.kind.plural}")
        if response.status < FAILED and watching:
            self._streams[selection.kind] = response.content
        elif response.status < FAILED:
            listener.listed(selection.kind)
        return response


async def _say_goodbye() -> None:
    # Watches that Kopf dropped still hold connections, and TLS needs a moment to close them.
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.sleep(GOODBYE_SECONDS)


def kopf_settings(selections: Iterable[Selection]) -> kopf.OperatorSettings:
    """Settle how Kopf watches: what it selects and how it waits; it persists and posts nothing."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.watching.server_timeout = WATCH_SECONDS + random.randint(0, WATCH_SECONDS // 5)
    settings.watching.client_timeout = settings.watching.server_timeout + 60
    settings.watching.connect_timeout = 10
    settings.watching.reconnect_backoff = random.uniform(0.5, 1.5)
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = Backoffs()
    # Without a limit: an idle worker would keep its slot and hold back all others.
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 0.2
    settings.persistence.diffbase_storage = Forgetful()
    settings.persistence.progress_storage = Careless()
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.process.ultimate_exiting_timeout = None
    for selection in selections:
        _select(settings, selection)
    return settings


def _select(settings: kopf.OperatorSettings, selection: Selection) -> None:
    # A key of another form is read as something else and then silently ignored: `_verify` would tell.
    key = (selection.kind.group, selection.kind.version, selection.kind.plural)
    if selection.labels:
        settings.watching.label_selectors[key] = selection.labels
    if selection.fields:
        settings.watching.field_selectors[key] = selection.fields


def _verify(selection: Selection, url: URL) -> None:
    if (url.query.get("labelSelector", ""), url.query.get("fieldSelector", "")) != (selection.labels, selection.fields):
        raise SelectorIgnored(f"{url} should select {selection}")


def _listen(registry: kopf.OperatorRegistry, kind: Kind, listener: Listener) -> None:
    @kopf.on.event(registry=registry, group=kind.group, version=kind.version, plural=kind.plural, id=kind.plural)
    async def hear(event: Mapping[str, Any], **_: Any) -> None:
        listener.heard(kind, event["object"], deleted=event["type"] == "DELETED")
