"""The readiness probe: a Pod probe's fields, asked by the node's agent.

The member that says whom to ask may come from a plugin: where one is required, `asks_somebody` says so.
"""

from typing import Annotated

from pydantic import ConfigDict, Field

from drover.api.base import Model, rule, rules, told

PATH = r"^/[!-~]*$"
_PATH_TOLD = told(PATH, "a path that begins with / and holds no blanks")
Port = Annotated[int, Field(ge=1, le=65535)]


class HTTPGet(Model):
    """An HTTP request to the guest's first address; 200 to 399 is success."""

    port: Port
    """Port to ask."""
    path: Annotated[str, Field(max_length=1024, pattern=PATH, json_schema_extra=_PATH_TOLD)] | None = None
    """Path to ask for; default /."""


class TCPSocket(Model):
    """A connection to the guest's first address; being accepted is success."""

    port: Port
    """Port to connect to."""


class GuestAgentProbe(Model):
    """A ping of the QEMU guest agent; an answer is success."""


_MEMBERS = "readinessProbe takes exactly one of httpGet, tcpSocket and guestAgent"


def asks_somebody(unless: str) -> dict[str, str]:
    """CEL: a readinessProbe says whom to ask, unless the expression `unless` holds."""
    members = " || ".join(f"has(self.readinessProbe.{name})" for name in ("httpGet", "tcpSocket", "guestAgent"))
    return rule(f"{unless} || !has(self.readinessProbe) || {members}", _MEMBERS, path=".readinessProbe")


class ReadinessProbe(Model):
    """How to find out that the guest serves: exactly one of httpGet, tcpSocket and guestAgent."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "[has(self.httpGet), has(self.tcpSocket), has(self.guestAgent)].filter(x, x).size() <= 1",
                _MEMBERS,
            )
        )
    )

    http_get: HTTPGet | None = None
    """Ask by HTTP."""
    tcp_socket: TCPSocket | None = None
    """Ask by opening a connection."""
    guest_agent: GuestAgentProbe | None = None
    """Ask the guest agent."""
    initial_delay_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None
    """Seconds after the start before the first try; default 0."""
    period_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    """Seconds between tries; default 5."""
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] | None = None
    """Seconds a try may take; default 1."""
    success_threshold: Annotated[int, Field(ge=1, le=100)] | None = None
    """Successes in a row that make it ready; default 1."""
    failure_threshold: Annotated[int, Field(ge=1, le=100)] | None = None
    """Failures in a row that make it unready; default 3."""
