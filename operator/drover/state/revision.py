"""A ControllerRevision as a cache holds it: what a plugin gave to machines at some time."""

from dataclasses import dataclass

from drover.state.resource import Body, Meta, pack, read_meta


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of a plugin."""

    meta: Meta
    number: int
    """It grows from one revision to the next."""
    packed: bytes
    """What it holds, as JSON."""


def read_revision(body: Body) -> Revision:
    """Read a ControllerRevision."""
    return Revision(read_meta(body), int(body.get("revision", 0)), pack(body.get("data") or {}))
