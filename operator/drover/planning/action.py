"""What a decision may ask for, as small records: the controllers know how each is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drover.api.kinds import Kind
from drover.planning.address import Claim, Window
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
    """Make the next incarnation of a machine, if really none is left of the ones before."""

    machine: Meta
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Allocate:
    """Get a machine an address, or a hardware address reserved."""

    claim: Claim
    machine: Meta
    window: Window


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
class ReleaseAnchor:
    """Give up a place on a node."""

    meta: Meta
    delete: bool
    """Whether the pod is to be deleted, or deleted sooner than it is going to be."""


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
    | ReleaseAnchor
    | Disown
    | TakeVolume
)
Stage = tuple[Action, ...]
"""Actions that do not depend on each other; stages follow one another."""
