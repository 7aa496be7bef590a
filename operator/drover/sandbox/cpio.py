"""Archives in cpio's newc format, as the Linux kernel unpacks them: made from records, not from a directory."""

import stat
from collections.abc import Iterable
from dataclasses import dataclass

MAGIC = b"070701"
TRAILER = "TRAILER!!!"
ALIGNMENT = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, directory or symbolic link: its path without a leading slash, its mode with the type bits."""

    path: str
    mode: int
    content: bytes = b""


def directory(path: str) -> Entry:
    """Return a directory."""
    return Entry(path, stat.S_IFDIR | 0o755)


def file(path: str, content: bytes, *, executable: bool = False) -> Entry:
    """Return a regular file."""
    return Entry(path, stat.S_IFREG | (0o755 if executable else 0o644), content)


def link(path: str, target: str) -> Entry:
    """Return a symbolic link."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def archive(entries: Iterable[Entry]) -> bytes:
    """Return the archive that holds the entries in this order; directories must come before what is in them."""
    numbered = enumerate((*entries, Entry(TRAILER, 0)), start=1)
    return b"".join(_record(number, entry) for number, entry in numbered)


def _record(number: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, 0, 0, len(name), 0)
    header = MAGIC + b"".join(b"%08x" % value for value in fields)
    return _padded(header + name) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGNMENT)
