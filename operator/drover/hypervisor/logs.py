"""Serial output of guests as files, kept short.

QEMU only ever appends, to a file it opened for appending, so a file that is cut short here goes on from its new end.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KEPT_BYTES = 64 << 10
"""What is kept of a guest's output."""
LIMIT_BYTES = 2 * KEPT_BYTES
"""A file longer than this is cut back."""


@dataclass(frozen=True, slots=True)
class Logs:
    """The serial logs of this node."""

    directory: Path

    def prepare(self) -> None:
        """Make the directory; QEMU passes through it, nobody else lists it."""
        self.directory.mkdir(mode=0o711, parents=True, exist_ok=True)

    def path(self, uuid: str) -> Path:
        """Where a guest's output goes."""
        return self.directory / f"{uuid}.log"

    def trim(self) -> None:
        """Cut back every file that grew too long."""
        with os.scandir(self.directory) as entries:
            paths = [Path(entry.path) for entry in entries]
        for path in paths:
            # Gone meanwhile, or a full disk: the others are cut all the same.
            with contextlib.suppress(OSError):
                self._trim(path)

    def _trim(self, path: Path) -> None:
        if path.lstat().st_size > LIMIT_BYTES:
            with _opened(path, os.O_RDWR | os.O_APPEND) as file:
                _cut(file)

    def remove(self, uuid: str) -> None:
        """Delete a guest's output."""
        self.path(uuid).unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def _end(file: int) -> bytes:
    return os.pread(file, KEPT_BYTES, max(0, os.fstat(file).st_size - KEPT_BYTES))


def _cut(file: int) -> None:
    """Keep the end. What QEMU writes in these microseconds may be lost or come first: it is a log."""
    end = _end(file)
    os.ftruncate(file, 0)
    os.write(file, end)
