"""An image server that behaves as a test wants, as the nodes see it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.system.world import World

PIECE = 64 << 10
TAG = '"one"'
Behaviour = Callable[[BaseHTTPRequestHandler, bytes], None]


@dataclass
class Mischief:
    """Serves one file at any path below its URL."""

    body: bytes
    behave: Behaviour
    url: str = ""
    ranges: list[str] = field(default_factory=list)
    """What was asked for of the file, empty for all of it."""
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def digest(self) -> str:
        """The checksum of the file."""
        return f"sha256:{sha256(self.body).hexdigest()}"


def raw_disk(size: int = 1 << 20, filling: bytes = b"\0") -> bytes:
    """Write a raw disk with a partition table and nothing in it."""
    return (b"\0" * 510 + b"\x55\xaa").ljust(size, filling)


@contextmanager
def served(world: World, body: bytes, behave: Behaviour) -> Iterator[Mischief]:
    """Serve where the nodes can reach it."""
    mischief = Mischief(body, behave)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mischief.ranges.append(self.headers.get("Range", ""))
            mischief.behave(self, mischief.body)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((world.address, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    mischief.url = f"http://images.drover.internal:{server.server_address[1]}/disk"
    try:
        yield mischief
    finally:
        mischief.done.set()
        server.shutdown()
        server.server_close()
        thread.join()


def whole(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Send the file."""
    begin(handler, len(body))
    handler.wfile.write(body)


def slowly(handler: BaseHTTPRequestHandler, body: bytes, *, pause: float = 0.05) -> None:
    """Send the file, or the rest that is asked for, piece by piece."""
    first = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
    partly = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"} if first else {}
    begin(handler, len(body) - first, 206 if first else 200, {"ETag": TAG, "Accept-Ranges": "bytes"} | partly)
    try:
        for place in range(first, len(body), PIECE):
            handler.wfile.write(body[place : place + PIECE])
            time.sleep(pause)
    except OSError:
        return


def stall(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Fall silent in the middle."""
    begin(handler, len(body))
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    time.sleep(30)


def truncate(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Hang up in the middle: the length that was promised is a lie."""
    begin(handler, len(body))
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def belittle(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Promise less than comes."""
    begin(handler, len(body) // 2)
    handler.wfile.write(body)
    handler.close_connection = True


def around(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    """Point to itself for ever."""
    begin(handler, 0, 302, {"Location": "/again"})


def begin(
    handler: BaseHTTPRequestHandler, length: int, status: int = 200, headers: dict[str, str] | None = None
) -> None:
    """Send what comes before the body."""
    handler.send_response(status)
    for name, value in {"Content-Length": str(length), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
