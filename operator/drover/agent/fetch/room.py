"""How much of the node's disk images may take."""

import os
from pathlib import Path

SPARE_BYTES, SPARE_PART = 1 << 30, 20
"""What is left free: so many bytes, or this part of the file system if that is less; guests may have disks on it."""


def room(directory: Path) -> int:
    """Bytes that may still be written below a directory."""
    system = os.statvfs(directory)
    spare = min(SPARE_BYTES, system.f_blocks * system.f_frsize // SPARE_PART)
    return max(0, system.f_bavail * system.f_frsize - spare)
