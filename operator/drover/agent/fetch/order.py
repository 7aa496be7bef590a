"""What a fetch is asked for and what it comes to."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

PART = ".part-"
"""Prefix of what is not finished."""


class Trouble(Exception):
    """A fetch failed: ``reason`` is one CamelCase word, the message is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Order:
    """A file to fetch."""

    url: str
    directory: Path
    disk: bool
    """A disk is checked and kept as qcow2; any other file is kept as it is."""
    checksum: str = ""
    """sha256:… or sha512:…, empty when any content will do."""
    hosts: str = "*"
    """Servers that may be asked, see `reach`."""
    maximum_bytes: int = 1 << 40
    connect_seconds: float = 10.0
    stall_seconds: float = 60.0
    """A server that brings nothing, or too little, for so long is given up."""
    least_rate: int = 8192
    """Bytes a second that it must bring."""

    @property
    def part(self) -> Path:
        """Where the body goes until it is whole; the same for every try, so that a later one can go on."""
        return self.directory / f"{PART}{hashlib.sha256(f'{self.url} {self.checksum}'.encode()).hexdigest()[:32]}"

    def to_json(self) -> bytes:
        """Write it for a child process, whose command line everybody may read."""
        return json.dumps(asdict(self) | {"directory": str(self.directory)}).encode()


def from_json(text: bytes) -> Order:
    """Read it back."""
    content = json.loads(text)
    return Order(**content | {"directory": Path(content["directory"])})


@dataclass(frozen=True, slots=True)
class Result:
    """A file in the cache."""

    digest: str
    """sha256:… of the file as fetched."""
    file: str
    """Its name in the cache."""
    size: int
    """Bytes in the cache."""
    format: str = ""
    """Format of a disk as fetched: qcow2 or raw."""
    virtual_size: int | None = None
    """Size of a disk that a guest sees."""
    download_size: int | None = None
    """Bytes of the file as fetched."""
