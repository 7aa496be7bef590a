"""StoragePool: where volumes live on the nodes it selects."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import (
    Conditions,
    Model,
    NodeLabels,
    ObjectName,
    Prose,
    Users,
    Word,
    keyed,
    rule,
    rules,
    told,
    unchanged,
)

PATH = r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$"


class DirectoryPool(Model):
    """A directory of each node's file system."""

    path: Annotated[
        str,
        Field(
            max_length=1024,
            pattern=PATH,
            json_schema_extra=told(PATH, "an absolute path of letters, digits, dots, dashes, without . and .."),
        ),
    ]
    """Absolute path on the node, made when missing."""


class StoragePoolSpec(Model):
    """Where volumes live."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self.type != 'Directory' || has(self.directory)", "directory is required with type Directory"),
            *unchanged("type", "directory"),
        )
    )

    type: Literal["Directory"]
    """Directory: files below a directory of the node."""
    directory: DirectoryPool | None = None
    """The member of type Directory."""
    default: bool = False
    """Whether disks that name no pool go here; of several the oldest wins."""
    node_selector: NodeLabels | None = None
    """Labels of the nodes that have it; absent: all."""


class PoolNode(Model):
    """The pool on one node."""

    name: ObjectName
    """Node."""
    capacity: Word | None = None
    """Size of the file system."""
    allocated: Word | None = None
    """What is taken of it, be it by others than volumes."""
    available: Word | None = None
    """What is free of it."""
    ready: bool
    """Whether volumes can be made there."""
    message: Prose = ""
    """Why not."""


class StoragePoolStatus(Model):
    """What was observed of the pool."""

    observed_generation: int | None = None
    """The metadata.generation this status tells of."""
    conditions: Conditions | None = None
    """Ready: usable on every node that reports it."""
    capacity: Word | None = None
    """Size of all nodes' file systems together."""
    allocated: Word | None = None
    """What is taken of them."""
    in_use_count: int | None = None
    """Volumes in it."""
    in_use_by: Users | None = None
    """The first of them, as namespace/name."""
    nodes: Annotated[list[PoolNode], Field(max_length=1000, json_schema_extra=keyed("name"))] | None = None
    """The pool, node by node."""
