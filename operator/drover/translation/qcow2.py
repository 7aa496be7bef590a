"""The header of a qcow2 file: whether a guest may have it, and on which file it rests."""

import struct
from dataclasses import dataclass

from drover.errors import InvalidSpec

MAXIMUM_BYTES = 64 << 40
"""Largest disk a guest may have."""


@dataclass(frozen=True, slots=True)
class Qcow2:
    """The parts of a qcow2 header that decide whether it is accepted."""

    version: int
    backing_offset: int
    backing_size: int
    cluster_bits: int
    size: int
    encryption: int
    l1_entries: int
    incompatible: int


MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_VERSION_2_BYTES = 72
_VERSIONS = (2, 3)
_CLUSTER_BITS = range(9, 22)
_L1_ENTRY_BYTES = 8
_LARGEST_L1_BYTES = 32 << 20
_CORRUPT, _DATA_FILE = 1 << 1, 1 << 2
_KNOWN_FEATURES = 0b11111
"""Dirty, corrupt, external data file, compression type, extended L2 entries."""


def read_qcow2(head: bytes) -> Qcow2:
    """Read the header of a qcow2 file; `InvalidSpec` when it is cut short."""
    if len(head) < _VERSION_2_BYTES:
        raise InvalidSpec("the qcow2 header is cut short", reason="UnknownFormat")
    fields = _HEADER.unpack(head[: _HEADER.size].ljust(_HEADER.size, b"\0"))
    version = fields[1]
    return Qcow2(
        version=version,
        backing_offset=fields[2],
        backing_size=fields[3],
        cluster_bits=fields[4],
        size=fields[5],
        encryption=fields[6],
        l1_entries=fields[7],
        incompatible=fields[13] if version > _VERSIONS[0] else 0,
    )


def refuse(header: Qcow2) -> None:
    """Raise `InvalidSpec` with the reason why no guest may have this disk; return when it may."""
    for reason, wrong, message in _findings(header):
        if wrong:
            raise InvalidSpec(message, reason=reason)


def _findings(header: Qcow2) -> tuple[tuple[str, bool, str], ...]:
    features = header.incompatible
    absurd = not 0 < header.size <= MAXIMUM_BYTES or header.l1_entries * _L1_ENTRY_BYTES > _LARGEST_L1_BYTES
    return (
        ("HasBackingFile", header.backing_offset != 0, "the image has a backing file: it is only a part of a disk"),
        ("HasDataFile", bool(features & _DATA_FILE), "the image keeps its data in another file"),
        ("UnknownFormat", header.version not in _VERSIONS, f"qcow2 version {header.version} is not known"),
        ("UnknownFormat", bool(features & ~_KNOWN_FEATURES), f"the image needs unknown features {features:#x}"),
        ("UnknownFormat", bool(features & _CORRUPT), "the image is marked as corrupt"),
        ("UnknownFormat", header.encryption != 0, "the image is encrypted"),
        ("UnknownFormat", header.cluster_bits not in _CLUSTER_BITS, "the cluster size is out of range"),
        ("UnknownFormat", absurd, f"a disk of {header.size} bytes is out of range"),
    )
