"""What a decision may ask for, as small records: the controllers know how each is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drover.api.kinds import Kind
from drover.planning.address import Claim, Window
from drover.planning.adoption import Inherit, Left
from drover.planning.view import DomainView
from drover.state.resource import Meta


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Hold an object until we are done with it."""

    kind: Kind
    meta: Meta
    finalizer: str


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Let an object go."""

    kind: Kind
    meta: Meta
    finalizer: str


@dataclass(frozen=True, slots=True)
class Create:
    """Make a child of the machine `uid`; one of the same name and machine will do."""

    kind: Kind
    uid: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CreateDomain:
    """Make the next incarnation of a machine, if of those before really none is left but orders to clean up."""

    machine: Meta
    body: Mapping[str, Any]
    left: Left | None = None
    """The guest of an earlier machine that it takes over, if its agent still reports it."""


@dataclass(frozen=True, slots=True)
class Allocate:
    """Get a machine an address, or a hardware address reserved."""

    claim: Claim
    machine: Meta
    windows: tuple[Window, ...]
    """Where an address that nobody asked for comes from."""


@dataclass(frozen=True, slots=True)
class UpdateSpec:
    """Replace the spec of a child, provided that it still is as we know it."""

    kind: Kind
    meta: Meta
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an object; its finalizers take care of what belongs to it."""

    kind: Kind
    meta: Meta


@dataclass(frozen=True, slots=True)
class Abandon:
    """Leave an incarnation behind as an order to clean up, if its node really is off."""

    domain: DomainView


@dataclass(frozen=True, slots=True)
class LetGo:
    """Let go of an incarnation whose clean-up nobody can do any more, if its node really is gone."""

    domain: DomainView
    machine: Meta
    """Who is told."""


@dataclass(frozen=True, slots=True)
class ReleaseAnchor:
    """Give up a place on a node."""

    meta: Meta
    delete: bool
    """Whether the pod is to be deleted, or deleted sooner than it is going to be."""
    force: bool = False
    """Whether its node is not waited for: nobody there can end it, or not in time."""


@dataclass(frozen=True, slots=True)
class Disown:
    """Keep a volume from being collected with its machine."""

    meta: Meta
    uid: str
    """Machine that owned it."""


@dataclass(frozen=True, slots=True)
class TakeVolume:
    """Claim a volume that was not made for the machine `uid`."""

    meta: Meta
    uid: str


Action = (
    AddFinalizer
    | RemoveFinalizer
    | Create
    | CreateDomain
    | Allocate
    | UpdateSpec
    | Delete
    | Abandon
    | LetGo
    | ReleaseAnchor
    | Disown
    | TakeVolume
    | Inherit
)
Stage = tuple[Action, ...]
"""Actions that do not depend on each other; stages follow one another."""
