"""An encrypted volume: libvirt's secret of it, what qemu-img is told to do with its file, and where its keys are.

Passphrases stand in none of this: libvirt is given them by a call of its own, qemu-img on its standard input.
"""

import json
import struct
from pathlib import PurePosixPath

from drover.translation.qcow2 import MAGIC, read_qcow2
from drover.translation.xml import element, render

PREFIX = "/drover/"
"""libvirt takes nothing but an absolute path for what a secret of a volume is for."""
HEAD_BYTES = 1 << 16
"""As much of a file as it takes to find its keys."""
_KEY = "key"
_LUKS = 2
"""How a qcow2 header says that its data are encrypted as LUKS does it."""
_HEADER_LENGTH_AT = 100
_VERSION_2_BYTES = 72
_EXTENSION = struct.Struct(">II")
_KEYS = 0x0537BE77
"""Extension of a qcow2 header that says where the LUKS header is."""
_PLACE = struct.Struct(">QQ")
_EXTENSION_UNIT = 8

Words = tuple[str, ...]


def usage(uid: str) -> str:
    """What the secret of a StorageVolume is for, which is also how libvirt finds it."""
    return f"{PREFIX}{uid}"


def is_ours(purpose: str) -> bool:
    """Tell whether a secret is of a volume of ours."""
    return purpose.startswith(PREFIX)


def secret(uid: str) -> str:
    """Describe libvirt's secret of a volume: kept in memory alone, and read back by nobody."""
    purpose = element("usage", element("volume", usage(uid)), type="volume")
    return render(element("secret", purpose, ephemeral="yes", private="yes"))


def creation(path: PurePosixPath, size_bytes: int, image: PurePosixPath | None) -> Words:
    """Make an encrypted file: blank, or on top of `image`, which stays as it is."""
    base = () if image is None else ("-b", str(image), "-F", "qcow2")
    return ("create", "-q", *_unlocked(), "-f", "qcow2", "-o", _options(), *base, "--", str(path), str(size_bytes))


def whole(path: PurePosixPath, image: PurePosixPath) -> Words:
    """Make an encrypted file with all that is in `image`."""
    return ("convert", *_unlocked(), "-f", "qcow2", "-O", "qcow2", "-o", _options(), "--", str(image), str(path))


def enlargement(path: PurePosixPath, size_bytes: int) -> Words:
    """Make an encrypted file larger."""
    return ("resize", "-q", *_unlocked(), "--", _opened(path), str(size_bytes))


def question(path: PurePosixPath) -> Words:
    """Open an encrypted file, its data alone; `info` would not need the passphrase."""
    return ("map", *_unlocked(), "--max-length=512", "--output=json", "--", _opened(path, backing=None))


def _unlocked() -> Words:
    return ("--object", f"secret,id={_KEY},file=/dev/stdin")


def _options() -> str:
    # Only this version of the format knows of bitmaps and of blocks that are zero.
    return f"compat=1.1,encrypt.format=luks,encrypt.key-secret={_KEY}"


def _opened(path: PurePosixPath, **more: None) -> str:
    file = {"driver": "file", "filename": str(path)}
    encryption = {"format": "luks", "key-secret": _KEY}
    return f"json:{json.dumps({'driver': 'qcow2', 'file': file, 'encrypt': encryption, **more})}"


def keys(head: bytes) -> tuple[int, int] | None:
    """Find the bytes of an encrypted file without which nothing in it can be read any more; None in any other file."""
    if not head.startswith(MAGIC) or len(head) < _VERSION_2_BYTES or read_qcow2(head).encryption != _LUKS:
        return None
    at = int.from_bytes(head[_HEADER_LENGTH_AT : _HEADER_LENGTH_AT + 4])
    while at + _EXTENSION.size <= len(head):
        kind, length = _EXTENSION.unpack_from(head, at)
        at += _EXTENSION.size
        if kind == _KEYS and length == _PLACE.size and at + length <= len(head):
            offset, size = _PLACE.unpack_from(head, at)
            return offset, offset + size
        if kind == 0:
            return None
        at += -(-length // _EXTENSION_UNIT) * _EXTENSION_UNIT
    return None
