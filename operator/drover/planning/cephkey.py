"""What lets nodes into a Ceph cluster: taken from a Secret, and shown to nobody."""

import binascii
import struct
from base64 import b64decode

from drover.api.cloudinit import SecretKey
from drover.api.pool import RBDPool
from drover.errors import NotReady
from drover.state.host import CephKey

DEFAULT_KEY = "key"
LOOK_SECONDS = 10.0
"""How soon a Secret is read again that holds nothing of use."""
_HEAD = struct.Struct("<HIIH")
"""Kind of the key, when it was made, and how many bytes of it follow."""


def secret(spec: RBDPool) -> SecretKey:
    """Which value of which Secret, in our own namespace, is the key of a pool's user."""
    return SecretKey(name=spec.key_secret_ref.name, key=spec.key_secret_ref.key or DEFAULT_KEY)


def read(content: bytes, where: SecretKey) -> CephKey:
    """Take the key from a Secret's value; `NotReady` when there is none in it. It is never quoted."""
    name = f"Secret {where.name}, key {where.key}"
    text = content.strip()
    if not text:
        raise NotReady(f"{name} is empty, and a key of Ceph is not", reason="KeyEmpty", delay=LOOK_SECONDS)
    try:
        value = b64decode(text, validate=True)
    except binascii.Error:
        value = b""
    if len(value) <= _HEAD.size or _HEAD.unpack_from(value)[3] != len(value) - _HEAD.size:
        words = f"{name} is no key of Ceph: it is the one line that ceph auth get-key prints"
        raise NotReady(words, reason="KeyInvalid", delay=LOOK_SECONDS)
    return CephKey(value)
