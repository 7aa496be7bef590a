"""StorageVolume: one disk; it outlives the machine that uses it when its owner says so."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import (
    Conditions,
    Model,
    ObjectName,
    Quantity,
    Reference,
    Word,
    between,
    grows,
    rule,
    rules,
    unchanged,
)


class VolumeSource(Model):
    """What a volume starts from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("(self.type == 'Image') == has(self.image)", "source.image goes with type Image, and only with it")
        )
    )

    type: Literal["Image", "Blank"]
    """Image: a copy on write of an image; Blank: zeros."""
    image: Reference | None = None
    """The VirtualMachineImage of type Image."""


class StorageVolumeSpec(Model):
    """What the volume should be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *unchanged("pool", "source"),
            rule(
                "has(self.size) || (has(self.source) && self.source.type == 'Image')",
                "size is required of a blank volume",
            ),
            grows("''"),
        )
    )

    pool: ObjectName | None = None
    """StoragePool it lives in; default the pool marked as default. Immutable."""
    size: Annotated[Quantity, Field(json_schema_extra=between("size", "1Mi", "64Ti"))] | None = None
    """Capacity such as 10Gi; default the image's. Only grows; applies at the machine's next start."""
    source: VolumeSource | None = None
    """What it starts from; default Blank. Immutable."""


class StorageVolumeStatus(Model):
    """What was observed of the volume."""

    observed_generation: int | None = None
    """The metadata.generation this status tells of."""
    phase: Literal["Pending", "Bound"] | None = None
    """Pending until a machine first needs it, then Bound to a node."""
    node_name: ObjectName | None = None
    """Node that holds its data; empty while no node does."""
    pool: ObjectName | None = None
    """Pool that holds its data."""
    capacity: Word | None = None
    """Size the guest sees."""
    allocated: Word | None = None
    """Space it took in the pool when it was last made or checked."""
    used_by: Word | None = None
    """VirtualMachine/<name> that uses it."""
    conditions: Conditions | None = None
    """Ready: its data is there."""
