"""Headers of the disks of other hypervisors: what in them would have QEMU open another file is refused.

QEMU itself refuses a VHDX that has a parent, so of that format nothing is read here.
"""

import struct

from drover.errors import InvalidSpec
from drover.translation.qcow2 import MAXIMUM_BYTES

DESCRIPTOR = b"# Disk DescriptorFile"
SECTOR = 512
_VMDK = struct.Struct("<4sIIQQQQ")
_VMDK_WORDS = (SECTOR, 20 * SECTOR)
"""Where QEMU looks for a parent, whatever the header says: from the second sector on, twenty of them."""
_VDI_KIND, _VDI_SIZE, _VDI_LINKS = 0x4C, 0x170, slice(0x1A8, 0x1C8)
_VDI_BYTES = 0x1C8
_VDI_KINDS = (1, 2)
"""Dynamic and static."""


def check_vmdk(head: bytes) -> int:
    """Refuse a VMDK whose data is elsewhere; give the bytes that a guest sees."""
    if len(head) < sum(_VMDK_WORDS):
        raise InvalidSpec("the VMDK header is cut short", reason="UnknownFormat")
    *_, sectors, _, offset, size = _VMDK.unpack(head[: _VMDK.size])
    if sectors == 0:
        raise InvalidSpec("the VMDK keeps its data in other files", reason="HasDataFile")
    if (offset + size) * SECTOR > len(head):
        raise InvalidSpec("the descriptor of the VMDK is not at its beginning", reason="UnknownFormat")
    start, length = _VMDK_WORDS
    words = head[start : start + length] + head[offset * SECTOR : (offset + size) * SECTOR]
    if b"parentFileNameHint" in words:
        raise InvalidSpec("the VMDK has a parent: it is only a part of a disk", reason="HasBackingFile")
    return _sane(sectors * SECTOR)


def check_vdi(head: bytes) -> int:
    """Refuse a VDI that is only the difference to another one; give the bytes that a guest sees."""
    if len(head) < _VDI_BYTES:
        raise InvalidSpec("the VDI header is cut short", reason="UnknownFormat")
    kind, size = struct.unpack_from("<I", head, _VDI_KIND)[0], struct.unpack_from("<Q", head, _VDI_SIZE)[0]
    if kind not in _VDI_KINDS or any(head[_VDI_LINKS]):
        raise InvalidSpec("the VDI has a parent: it is only a part of a disk", reason="HasBackingFile")
    return _sane(int(size))


def _sane(size: int) -> int:
    if not 0 < size <= MAXIMUM_BYTES:
        raise InvalidSpec(f"a disk of {size} bytes is out of range", reason="UnknownFormat")
    return size
