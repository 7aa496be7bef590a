"""What the first bytes of a file say of it: which kind of disk it is, and whether it is one that guests may have.

Guests are hostile and so are images: a disk may name another file of the host as its backing or data file, and QEMU
would open it. So the header is read here, before QEMU sees the file.
"""

from typing import Literal

from drover.errors import InvalidSpec
from drover.translation import foreigndisk
from drover.translation.qcow2 import read_qcow2, refuse

HEAD_BYTES = 1 << 17
"""As much of a file as these functions need to see."""

Format = Literal["qcow2", "raw", "vmdk", "vhdx", "vdi"]
Packing = Literal["gzip", "xz", "zstd"]

_QCOW2 = b"QFI\xfb"
_ISO: tuple[tuple[int, bytes], ...] = ((0x8001, b"CD001"), (0x8001, b"BEA01"))
"""ISO 9660 and UDF."""
_SIGNATURES: tuple[tuple[int, bytes], ...] = (
    (510, b"\x55\xaa"),
    (512, b"EFI PART"),
    (4096, b"EFI PART"),
    (0x438, b"\x53\xef"),
    (0, b"XFSB"),
    (0x10040, b"_BHRfS_M"),
    (0x400, b"\x10\x20\xf5\xf2"),
    *_ISO,
    (0, b"hsqs"),
    (512, b"LABELONE"),
    (0, b"LUKS\xba\xbe"),
)
"""Where raw disks carry what: partition tables, ext, XFS, Btrfs, F2FS, ISO 9660, squashfs, LVM, LUKS."""
_CONVERTED: tuple[tuple[int, bytes, Format], ...] = (
    (0, _QCOW2, "qcow2"),
    (0, b"KDMV", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0x40, b"\x7f\x10\xda\xbe", "vdi"),
)
_PACKED: tuple[tuple[bytes, Packing], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    *((0, magic, name) for magic, name in _PACKED),
    (0, b"COWD", "a VMDK of an old kind"),
    (0, b"conectix", "VHD"),
    (0, b"QED\0", "QED"),
    (0, b"BZh", "bzip2"),
    (0, b"PK\x03\x04", "zip"),
    (257, b"ustar", "tar"),
)


def packing(head: bytes) -> Packing | None:
    """Tell by what a file is packed, None when it is not or by nothing that is unpacked."""
    return next((name for magic, name in _PACKED if head.startswith(magic)), None)


def recognise(head: bytes) -> Format:
    """Tell the format by what the file begins with; `InvalidSpec` with reason UnknownFormat when it is none of ours."""
    if head.startswith(foreigndisk.DESCRIPTOR):
        raise InvalidSpec("the file is only the descriptor of a VMDK, its data is in other files", reason="HasDataFile")
    for offset, magic, found in _CONVERTED:
        if head[offset:].startswith(magic):
            return found
    for offset, magic, name in _FOREIGN:
        if head[offset:].startswith(magic):
            raise InvalidSpec(f"the file is {name}, not a disk of a known format", reason="UnknownFormat")
    if any(head[offset:].startswith(magic) for offset, magic in _SIGNATURES):
        return "raw"
    raise InvalidSpec(
        "the file is neither qcow2, VMDK, VHDX, VDI nor a raw disk with a partition table or file system",
        reason="UnknownFormat",
    )


def check_iso(head: bytes) -> None:
    """Raise `InvalidSpec` unless the file is an image of a CD or DVD."""
    if not any(head[offset:].startswith(magic) for offset, magic in _ISO):
        raise InvalidSpec("the file is not an ISO 9660 or UDF image", reason="UnknownFormat")


def check(found: Format, head: bytes) -> int | None:
    """Raise `InvalidSpec` with the reason why no guest may have this disk; give the size that its header declares."""
    if found == "qcow2":
        header = read_qcow2(head)
        refuse(header)
        return header.size
    if found == "vmdk":
        return foreigndisk.check_vmdk(head)
    return foreigndisk.check_vdi(head) if found == "vdi" else None
