"""What the API server refuses, as our taxonomy: the one table of HTTP answers.

404 for an object never becomes an exception of the read and write calls: absence is ``None``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from drover.errors import Busy, Retryable, Unavailable

REJECTED_DELAY = 10.0
"""Seconds until a refused write is worth another try: quota and permissions change at human speed."""
ABSENT = 404
NAMESPACES = "namespaces"
UNTYPED = "failed to create typed patch object"
"""How the API server words, as its own failure, that an applied object does not fit the schema."""


class AlreadyExists(Busy):
    """An object of this name is there already, perhaps one that our cache has not seen yet."""


class Conflict(Busy):
    """The object changed since it was read."""


class Rejected(Retryable):
    """The API server or a policy forbids the write for now; the message is the server's own."""


class ApiFault(Exception):
    """The API server found our request wrong: a bug on our side, or a policy that Drover does not know."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A refusal as the API server words it in its Status object."""

    code: int
    """HTTP status."""
    reason: str
    """Status.reason, such as ``AlreadyExists``; empty when the body was no Status."""
    message: str
    retry_after: float | None
    """Seconds the server asks us to wait."""
    missing: str = ""
    """Plural of the kind of what is not there, as the server says it: may be the namespace and not the object."""

    @property
    def absent(self) -> bool:
        """Whether the object is not there.

        One whose namespace is not there may well be: an API server that starts can finish a namespace before it knows
        all kinds that are in it. It can be read then, but refuses every change until the namespace is made again.
        """
        return self.code == ABSENT and self.missing != NAMESPACES


def read_answer(code: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Take an HTTP answer of 400 or more apart; a body that is no Status is quoted, shortened."""
    try:
        status = json.loads(body)
    except ValueError:
        status = None
    if not isinstance(status, dict):
        status = {"message": body[:256].decode(errors="replace")}
    wait = headers.get("Retry-After", "")
    return Answer(
        code=code,
        reason=str(status.get("reason", "")),
        message=str(status.get("message", "")) or f"HTTP {code}",
        retry_after=float(wait) if wait.isdigit() else None,
        missing=_missing(status.get("details")),
    )


def _missing(details: object) -> str:
    return str(details.get("kind", "")) if isinstance(details, Mapping) else ""


def convert(answer: Answer) -> Exception:
    """Find the exception for an answer: expected trouble from the taxonomy, `ApiFault` for everything else."""
    if answer.code == 409:
        return (AlreadyExists if answer.reason == "AlreadyExists" else Conflict)(answer.message)
    if answer.code in {403, ABSENT}:
        return Rejected(answer.message, reason=_rejection(answer), delay=REJECTED_DELAY)
    if answer.code in {401, 408, 429} or (answer.code >= 500 and not answer.message.startswith(UNTYPED)):
        return Unavailable(answer.message, delay=answer.retry_after)
    return ApiFault(f"{answer.code} {answer.reason}: {answer.message}")


def _rejection(answer: Answer) -> str:
    if answer.code == ABSENT:
        return "NotFound" if answer.absent else "NamespaceGone"
    if "exceeded quota" in answer.message:
        return "QuotaExceeded"
    if "being terminated" in answer.message:
        return "NamespaceTerminating"
    return "Forbidden"
