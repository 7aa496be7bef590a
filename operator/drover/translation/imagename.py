"""Files of the image cache as others name them: every one is called by a digest."""

import re

from drover.translation.qcow2 import MAGIC, read_qcow2

HEAD_BYTES = 512
"""As much of a disk file as `backing` needs to see; no qcow2 file is shorter."""
NAME_BYTES = 1023
"""Longest name of a backing file that qcow2 knows."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def digests(text: str) -> frozenset[str]:
    """Every word of a text that can be the name of a cached file, without its ending."""
    return frozenset(_DIGEST.findall(text))


def backing(head: bytes) -> tuple[int, int] | None:
    """Where in a disk file the name of the file stands on which it rests, and how long it is; None without one."""
    if not head.startswith(MAGIC) or len(head) < HEAD_BYTES:
        return None
    header = read_qcow2(head)
    return (header.backing_offset, min(header.backing_size, NAME_BYTES)) if header.backing_offset else None
