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
    same,
    unchanged,
)
from drover.api.cloudinit import SecretKey


class VolumeSource(Model):
    """What a volume starts from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("(self.type == 'Image') == has(self.image)", "source.image goes with type Image, and only with it"),
            rule(
                "(self.type == 'Volume') == has(self.volume)", "source.volume goes with type Volume, and only with it"
            ),
        )
    )

    type: Literal["Image", "Volume", "Blank", "Existing"]
    """Image: a copy on write of an image; Volume: a full copy of another volume; Blank: zeros; Existing: what is there,
    the LUN that a pool of type ISCSI gives to the volume."""
    image: Reference | None = None
    """The VirtualMachineImage of type Image, in this or, as namespace/name, in another namespace; absent with other types."""
    volume: ObjectName | None = None
    """The StorageVolume of type Volume, in the same namespace; copied once, while no machine has it on; absent with other types."""


FROM_RULES = (
    rule(
        "!(has(self.image) && has(self.from))",
        "'disk ' + self.name + ': it starts from an image or from a volume, not from both'",
        dynamic=True,
    ),
    rule(
        same("from"),
        "'disk ' + self.name + ': from is immutable; remove the entry and add one of another name'",
        dynamic=True,
        path=".from",
    ),
)
"""CEL: what holds of a disk entry that names another volume to start from."""


class DiskSource(Model):
    """What a disk is a copy of."""

    volume: ObjectName
    """StorageVolume of this namespace, copied once, while no machine has it on."""


class Encryption(Model):
    """How a volume's data are encrypted: LUKS, AES-256, in the file on the node."""

    key_secret_ref: SecretKey
    """Secret of the volume's namespace that holds the passphrase; read at each start, on its way to the node by the controller alone. Another passphrase there opens nothing that is written already."""


class StorageVolumeSpec(Model):
    """What the volume should be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *unchanged("pool", "source", "encryption"),
            rule(
                "!has(self.encryption) || !has(self.source) || self.source.type in ['Blank', 'Image']",
                "encryption goes with source type Blank or Image: what is there already is not encrypted anew",
                path=".encryption",
            ),
            rule(
                "has(self.size) || (has(self.source) && self.source.type != 'Blank')",
                "size is required of a blank volume",
            ),
            rule(
                "!(has(self.size) && has(self.source) && self.source.type == 'Existing')",
                "size does not go with source.type Existing: the volume has the size of what is there",
                path=".size",
            ),
            grows("''"),
        )
    )

    pool: ObjectName | None = None
    """StoragePool it lives in; default the pool marked as default. Immutable."""
    size: Annotated[Quantity, Field(json_schema_extra=between("size", "1Mi", "64Ti"))] | None = None
    """Capacity such as 10Gi; default that of its source. Only grows. Live."""
    source: VolumeSource | None = None
    """What it starts from; default Blank. Immutable."""
    wipe: Literal["Enabled", "Disabled"] | None = None
    """Enabled: zeros are written over its data, of an encrypted volume over all that its key opens, before it is deleted; default Disabled. Live."""
    encryption: Encryption | None = None
    """Encrypts what is written to it; default not. Immutable."""


class StorageVolumeStatus(Model):
    """What was observed of the volume."""

    observed_generation: int | None = None
    """The metadata.generation this status tells of."""
    phase: Literal["Pending", "Bound"] | None = None
    """Pending until a machine first needs it, then Bound to a node."""
    node_name: ObjectName | None = None
    """Node that holds its data, of a Shared pool the one that used it last; empty while no node does."""
    pool: ObjectName | None = None
    """Pool that holds its data."""
    capacity: Word | None = None
    """Size the guest sees."""
    allocated: Word | None = None
    """Space it took in the pool when it was last made or checked."""
    used_by: Word | None = None
    """VirtualMachine/<name> that uses it."""
    conditions: Conditions | None = None
    """Accepted: its pool may hold it. Ready: its data is there."""
