"""A connection to libvirtd that comes back by itself, and the threads in which its calls block."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

import libvirt
from drover.errors import Unavailable
from drover.hypervisor import events
from drover.hypervisor.errors import converted
from drover.hypervisor.loop import ensure_event_loop
from drover.state.guest import GuestEvent

P = ParamSpec("P")
T = TypeVar("T")
LOG = logging.getLogger(__name__)
KEEPALIVE_SECONDS = 5
KEEPALIVE_TRIES = 3
RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Whom a connection tells; both are called in the event loop."""

    event: Callable[[GuestEvent], None]
    connected: Callable[[bool], None]


class Connection:
    """One connection of its own threads; `run` keeps it open until it is cancelled."""

    def __init__(self, uri: str, *, threads: int, callbacks: Callbacks | None = None) -> None:
        self._uri = uri
        self._callbacks = callbacks
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="libvirt")
        self._connection: libvirt.virConnect | None = None
        self._subscriptions: tuple[int, ...] = ()
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self.trouble = "not connected yet"
        """Why it is not connected, in libvirt's words."""

    @property
    def connected(self) -> bool:
        """Whether libvirtd answers."""
        return self._up.is_set()

    async def wait(self) -> None:
        """Return once it is connected."""
        await self._up.wait()

    async def call(self, verb: Callable[Concatenate[libvirt.virConnect, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `verb` on the connection in a thread; raise `Unavailable` when there is no connection."""
        connection = self._connection
        if connection is None:
            raise Unavailable(f"libvirt does not answer: {self.trouble}", reason="LibvirtUnavailable")

        def work() -> T:
            with converted():
                return verb(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def run(self) -> None:
        """Stay connected: open, wait for the loss, open again."""
        try:
            while True:
                await self._once()
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _once(self) -> None:
        """Open, and wait for the loss; nobody would open it again if what nobody foresaw got out."""
        try:
            ensure_event_loop()
            async with self._opened():
                await self._down.wait()
        except Exception as error:
            self.trouble = str(error)
            LOG.exception("libvirt connection", extra={"uri": self._uri})

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[None]:
        self._down.clear()
        try:
            self._connection, self._subscriptions = await self._open()
        except libvirt.libvirtError as error:
            self.trouble = str(error)
            self._down.set()
            yield
            return
        try:
            self._tell(connected=True)
            yield
        finally:
            try:
                self._tell(connected=False)
            finally:
                await self._close()

    async def _open(self) -> tuple[libvirt.virConnect, tuple[int, ...]]:
        loop = asyncio.get_running_loop()
        lost = lambda _connection, _reason, _opaque: _hop(loop, self._down.set)  # noqa: E731
        return await loop.run_in_executor(self._threads, _open, self._uri, lost, self._emit(loop))

    def _emit(self, loop: asyncio.AbstractEventLoop) -> events.Emit | None:
        if self._callbacks is None:
            return None
        deliver = self._callbacks.event
        return events.receiver(lambda event: _hop(loop, deliver, event), time.time)

    def _tell(self, *, connected: bool) -> None:
        (self._up.set if connected else self._up.clear)()
        if not connected:
            self.trouble = "the connection was lost"
        LOG.info("libvirt connection", extra={"uri": self._uri, "connected": connected})
        if self._callbacks is not None:
            self._callbacks.connected(connected)

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            loop = asyncio.get_running_loop()
            await asyncio.shield(loop.run_in_executor(self._threads, _close, connection, self._subscriptions))


def _open(
    uri: str, lost: Callable[[object, int, object], None], emit: events.Emit | None
) -> tuple[libvirt.virConnect, tuple[int, ...]]:
    connection = libvirt.open(uri)
    try:
        with _unless_unsupported():
            connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_TRIES)
        with _unless_unsupported():
            connection.registerCloseCallback(lost, None)
        return connection, () if emit is None else events.subscribe(connection, emit)
    except libvirt.libvirtError:
        _close(connection, ())
        raise


@contextlib.contextmanager
def _unless_unsupported() -> Iterator[None]:
    """Libvirt's test driver has no transport that could be lost."""
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise


def _close(connection: libvirt.virConnect, subscriptions: tuple[int, ...]) -> None:
    """Close it for good: a callback that is still registered would keep its socket open."""
    for number in subscriptions:
        with contextlib.suppress(libvirt.libvirtError):
            connection.domainEventDeregisterAny(number)
    with contextlib.suppress(libvirt.libvirtError):
        connection.unregisterCloseCallback()
    with contextlib.suppress(libvirt.libvirtError):
        connection.close()


def _hop(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *args: object) -> None:
    """Call in the event loop, from libvirt's thread; nothing is owed to a loop that has ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *args)
