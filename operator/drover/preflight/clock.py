"""The node's clock beside the API server's, which tells its time in the head of every answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from yarl import URL

from drover.kube.connection import Endpoint, Misconfigured, endpoint_from_environment

TIMEOUT_SECONDS = 5.0
HALF = 0.5
"""The header has whole seconds, cut off: on average half a second more has passed."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How far the node's clock is before the API server's, or why that is not known."""

    ahead_seconds: float | None = None
    trouble: str = ""


def compare(now: Callable[[], float] = time.time) -> Clock:
    """Ask the API server of the environment for its time."""
    try:
        return Clock(ahead(endpoint_from_environment(), now))
    except Misconfigured as error:
        return Clock(trouble=str(error))
    except (OSError, HTTPException, ValueError, TypeError) as error:
        return Clock(trouble=f"the API server does not tell its time: {error}")


def ahead(endpoint: Endpoint, now: Callable[[], float]) -> float:
    """Seconds that our clock is before the server's; it tells its time to strangers too."""
    connection = _connection(endpoint)
    try:
        asked = now()
        connection.request("GET", "/version")
        with connection.getresponse() as answer:
            told = parsedate_to_datetime(answer.headers["Date"])
        return (asked + now()) / 2 - told.timestamp() - HALF
    finally:
        connection.close()


def _connection(endpoint: Endpoint) -> HTTPConnection:
    url = URL(endpoint.server)
    host, port = url.host or "", url.port
    if url.scheme == "http":
        return HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    return HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=endpoint.ssl_context())
