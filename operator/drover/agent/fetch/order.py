"""What a fetch is asked for and what it comes to."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["Disk", "ISO", "File"]
"""A disk is unpacked, checked and kept as qcow2; an ISO is unpacked and checked; any other file is kept as it is."""
Stage = Literal["Downloading", "Unpacking", "Converting"]
Progress = Callable[[Stage, int, int | None], None]
"""Told how far a stage is: done, and what is to be done in all, if known."""

PART = ".part-"
"""Prefix of what is not finished."""


class Trouble(Exception):
    """A fetch failed: ``reason`` is one CamelCase word, the message is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Request:
    """What a server is asked."""

    url: str
    secret: Mapping[str, str] = field(default_factory=dict)
    """Headers that no other server gets, wherever this one points."""
    headers: Mapping[str, str] = field(default_factory=dict)
    exact: bool = False
    """Whether the URL is signed as it stands."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a body is to be had, and what it is."""

    request: Request
    checksum: str = ""
    """What it must hash to."""
    digest: str = ""
    """What stands for it; empty: its own sha256."""
    layered: bool = False
    """Whether the file is inside a layer of a container disk."""


@dataclass(frozen=True, slots=True)
class Order:
    """A file to fetch."""

    url: str
    """By http, https, s3, oci or volume, see `source`."""
    directory: Path
    kind: Kind
    checksum: str = ""
    """sha256:… or sha512:…, empty when any content will do."""
    owner: str = ""
    """Whose file it is, when it is not anybody's; empty: it is."""
    credentials: Mapping[str, str] = field(default_factory=dict)
    """What the Secret holds that the image names."""
    plain_registries: Sequence[str] = field(default_factory=list)
    """Registries that are asked by http."""
    local: Path | None = None
    """Where it is on this node; absent: it is fetched."""
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
        identity = f"{self.url} {self.checksum} {self.kind} {self.owner}".rstrip()
        return self.directory / f"{PART}{hashlib.sha256(identity.encode()).hexdigest()[:32]}"

    def to_json(self) -> bytes:
        """Write it for a child process, whose command line everybody may read."""
        paths = {"directory": str(self.directory), "local": str(self.local) if self.local else None}
        return json.dumps(asdict(self) | paths).encode()


def from_json(text: bytes) -> Order:
    """Read it back."""
    content = json.loads(text)
    paths = {"directory": Path(content["directory"]), "local": Path(content["local"]) if content["local"] else None}
    return Order(**content | paths)


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
    """Format of a disk as fetched and unpacked: qcow2, raw, vmdk, vhdx or vdi."""
    virtual_size: int | None = None
    """Size of a disk that a guest sees."""
    download_size: int | None = None
    """Bytes of the file as fetched."""
