"""The body of a download on disk: hashed as it is written, kept for another try if that one can go on."""

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from drover.agent.fetch.order import Order, Trouble

CHUNK_BYTES = 1 << 20
BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Validator:
    """What a server calls this very version of the file, empty when it does not say, and how long it is."""

    value: str = ""
    total: int | None = None
    boot: str = field(default_factory=lambda: BOOT.read_text(encoding="ascii").strip())
    """Boot of the machine: what was written before the power was lost may have holes."""

    def save(self, order: Order) -> None:
        """Remember it beside the part."""
        _note(order).write_text(json.dumps(asdict(self)))


def remembered(order: Order) -> Validator:
    """The validator of the part that an earlier try left in this boot."""
    nothing = Validator()
    with contextlib.suppress(OSError, ValueError, TypeError):
        known = Validator(**json.loads(_note(order).read_text()))
        return known if known.boot == nothing.boot else nothing
    return nothing


def held_back(order: Order, known: Validator) -> Path:
    """The part; of a whole one the last byte is to come again, by which the server says that it still has this file."""
    with contextlib.suppress(FileNotFoundError):
        if known.total and order.part.stat().st_size >= known.total:
            os.truncate(order.part, known.total - 1)
    return order.part


def discard(order: Order) -> None:
    """Leave nothing of the part behind."""
    order.part.unlink(missing_ok=True)
    _note(order).unlink(missing_ok=True)


def interrupted(order: Order) -> None:
    """Leave only what a later try can go on from."""
    if not remembered(order).value:
        discard(order)


def _note(order: Order) -> Path:
    return order.part.with_name(f"{order.part.name}.json")


class Digests:
    """sha256 of all that passes, and the checksum's own algorithm if it is another."""

    def __init__(self, checksum: str) -> None:
        self._expected = checksum
        names = {"sha256", checksum.partition(":")[0] or "sha256"}
        self._hashes = {name: hashlib.new(name) for name in names}

    def update(self, data: bytes) -> None:
        """Take more of the file in."""
        for one in self._hashes.values():
            one.update(data)

    def feed(self, path: Path) -> int:
        """Take in what an earlier try left; return its length."""
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                self.update(data)
            return file.tell()
        return 0

    @property
    def sha256(self) -> str:
        """Hexadecimal sha256 so far."""
        return self._hashes["sha256"].hexdigest()

    def verify(self) -> None:
        """Raise ChecksumMismatch unless the file is the expected one."""
        name, _, wanted = self._expected.partition(":")
        if wanted and self._hashes[name].hexdigest() != wanted:
            found = f"{name}:{self._hashes[name].hexdigest()}"
            raise Trouble("ChecksumMismatch", f"the file has checksum {found}, not {self._expected}")


class Sink:
    """Takes the body in: one piece is hashed and written while the next one comes."""

    def __init__(self, file: BinaryIO, digests: "Digests") -> None:
        self._file = file
        self._digests = digests
        self._at: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._flush()

    async def take(self, data: bytes) -> None:
        """Take a piece as soon as the one before is done with."""
        await self._flush()
        self._at = asyncio.get_running_loop().run_in_executor(None, self._keep, data)

    async def _flush(self) -> None:
        """Wait until all that was taken is done with."""
        if self._at is not None:
            at, self._at = self._at, None
            await asyncio.shield(at)

    def _keep(self, data: bytes) -> None:
        self._file.write(data)
        self._digests.update(data)


@contextlib.contextmanager
def opened(path: Path, *, append: bool) -> Iterator[BinaryIO]:
    """Open a part for writing without following a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC)
    with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
        yield file


def persist(path: Path) -> None:
    """Have a file's bytes on the disk before anybody relies on it."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(file)
    finally:
        os.close(file)
