"""What the first bytes of a file say of it: which kind of disk it is, and whether it is one that guests may have.

Guests are hostile and so are images: a disk may name another file of the host as its backing or data file, and QEMU
would open it. So the header is read here, before QEMU sees the file.
"""

import struct
from dataclasses import dataclass
from typing import Literal

from drover.errors import InvalidSpec

HEAD_BYTES = 1 << 17
"""As much of a file as these functions need to see."""
MAXIMUM_BYTES = 64 << 40
"""Largest disk a guest may have."""

Format = Literal["qcow2", "raw"]

_QCOW2 = b"QFI\xfb"
_SIGNATURES: tuple[tuple[int, bytes], ...] = (
    (510, b"\x55\xaa"),
    (512, b"EFI PART"),
    (4096, b"EFI PART"),
    (0x438, b"\x53\xef"),
    (0, b"XFSB"),
    (0x10040, b"_BHRfS_M"),
    (0x400, b"\x10\x20\xf5\xf2"),
    (0x8001, b"CD001"),
    (0, b"hsqs"),
    (512, b"LABELONE"),
    (0, b"LUKS\xba\xbe"),
)
"""Where raw disks carry what: partition tables, ext, XFS, Btrfs, F2FS, ISO 9660, squashfs, LVM, LUKS."""
_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"KDMV", "VMDK"),
    (0, b"COWD", "VMDK"),
    (0, b"# Disk DescriptorFile", "VMDK"),
    (0, b"vhdxfile", "VHDX"),
    (0, b"conectix", "VHD"),
    (0x40, b"\x7f\x10\xda\xbe", "VDI"),
    (0, b"QED\0", "QED"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"BZh", "bzip2"),
    (0, b"PK\x03\x04", "zip"),
    (257, b"ustar", "tar"),
)


def recognise(head: bytes) -> Format:
    """Tell the format by what the file begins with; `InvalidSpec` with reason UnknownFormat when it is none of ours."""
    if head.startswith(_QCOW2):
        return "qcow2"
    for offset, magic, name in _FOREIGN:
        if head[offset:].startswith(magic):
            raise InvalidSpec(f"the file is {name}, not a qcow2 or raw disk", reason="UnknownFormat")
    if any(head[offset:].startswith(magic) for offset, magic in _SIGNATURES):
        return "raw"
    raise InvalidSpec(
        "the file is neither qcow2 nor a raw disk with a partition table or file system", reason="UnknownFormat"
    )


@dataclass(frozen=True, slots=True)
class Qcow2:
    """The parts of a qcow2 header that decide whether it is accepted."""

    version: int
    backing_offset: int
    cluster_bits: int
    size: int
    encryption: int
    l1_entries: int
    incompatible: int


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
