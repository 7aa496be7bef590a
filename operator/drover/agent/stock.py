"""What the image cache holds: the files and the index that tells where each came from."""

import json
import re
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from drover.agent.fetch.order import PART, Result
from drover.agent.workers import Wanted
from drover.api.domain import Artifact
from drover.api.hypervisor import HeldImage
from drover.planning.imagecache import CachedFile
from drover.planning.imagesource import place

log = structlog.stdlib.get_logger(__name__)
UNFINISHED_SECONDS = 3600.0
INDEX = "index.json"
GONE = ".gone"
"""Ends the names of files that are to be deleted."""
NAME = re.compile(r"[0-9a-f]{64}(\.qcow2|\.iso)?")


@dataclass(frozen=True, slots=True)
class Held:
    """A file in the cache."""

    image: str
    url: str
    checksums: tuple[str, ...]
    """Every checksum that it was found to have; the first is its sha256."""
    disk: bool
    file: str
    size: int
    format: str = ""
    virtual_size: int | None = None
    download_size: int | None = None
    private: bool = False
    """Whether it took a Secret to fetch it, or a capture: then it is for machines that use this very image."""
    used_at: float = 0.0
    """When it was last seen in use, in seconds since the epoch."""

    @property
    def digest(self) -> str:
        """sha256:… of the file as fetched."""
        return self.checksums[0]

    @property
    def told(self) -> HeldImage:
        """The file as the node reports it."""
        return HeldImage(
            image=self.image,
            url=self.url,
            access="Own" if self.private else "Shared",
            digest=self.digest,
            checksum=next(iter(self.checksums[1:]), ""),
            size=self.size,
            download_size=self.download_size,
            format=self.format,
            virtual_size=self.virtual_size,
        )


_HELD = TypeAdapter(tuple[Held, ...])


class Stock:
    """The files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: list[Held] = []

    def __iter__(self) -> Iterator[Held]:
        return iter(self._held)

    def load(self) -> None:
        """Read what the cache holds; forget what is not there any more."""
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._held = [held for held in self._read_index() if (self.folder / held.file).is_file()]

    def sweep(self) -> None:
        """Delete what nobody needs any more, and what was never finished and nobody has gone on with for long.

        Takes as long as a file system takes to free large files: nothing for the event loop.
        """
        oldest = time.time() - UNFINISHED_SECONDS
        for part in self.folder.glob(f"{PART}*"):
            with suppress(FileNotFoundError):
                if part.suffix == GONE or part.stat().st_mtime < oldest:
                    part.unlink()

    def find(self, artifact: Artifact, *, disk: bool, image: str) -> Held | None:
        """Find a file that has what an image's artifact asks for; what took a Secret is given to no other image."""
        # By its URL alone nobody knows that a server gives everybody the same.
        shared = artifact.checksum is not None or artifact.secret is None
        fitting = self._fitting(artifact, disk=disk)
        return next((held for held in fitting if held.image == image or (shared and not held.private)), None)

    def _fitting(self, artifact: Artifact, *, disk: bool) -> Iterator[Held]:
        for held in reversed(self._held):
            fits = artifact.checksum in held.checksums if artifact.checksum else held.url == artifact.url
            if fits and held.disk is disk and (self.folder / held.file).is_file():
                yield held

    def keep(self, wanted: Wanted, fetched: Result) -> None:
        """Take in a file that was fetched."""
        held = Held(
            image=wanted.image,
            url=wanted.artifact.url,
            checksums=tuple(dict.fromkeys(each for each in (fetched.digest, wanted.artifact.checksum) if each)),
            disk=wanted.disk,
            file=fetched.file,
            size=fetched.size,
            format=fetched.format,
            virtual_size=fetched.virtual_size,
            download_size=fetched.download_size,
            private=wanted.artifact.secret is not None or place(wanted.artifact.url) is not None,
            used_at=time.time(),
        )
        self._held = [*(each for each in self._held if replace(each, used_at=held.used_at) != held), held]
        self._write_index()

    def cached(self, in_use: frozenset[str]) -> tuple[CachedFile, ...]:
        """List the files, those too of which the index knows nothing; `in_use` are the names of those in use."""
        now, used = time.time(), {held.file: held.used_at for held in self._held}
        found = []
        for path in self.folder.iterdir():
            if NAME.fullmatch(path.name) and path.is_file():
                state = path.stat()
                last = now if path.name in in_use else used.get(path.name) or state.st_ctime
                found.append(CachedFile(path.name, state.st_blocks * 512, min(last, now), path.name in in_use))
        return tuple(found)

    def settle(self, files: Iterable[CachedFile], gone: Collection[str]) -> None:
        """Put files out of reach, for `sweep` to delete, and write down when the others were last in use."""
        last = {file.name: file.used_at for file in files}
        # The index first: a file of which it knows nothing is found again, one that is gone must not be promised.
        self._held = [
            replace(held, used_at=last.get(held.file, held.used_at)) for held in self._held if held.file not in gone
        ]
        self._write_index()
        for name in gone:
            with suppress(FileNotFoundError):
                (self.folder / name).rename(self.folder / f"{PART}{name}{GONE}")

    def files(self, artifact: Artifact, *, disk: bool) -> Iterator[str]:
        """Names of the files that have what an artifact asks for."""
        return (held.file for held in self._fitting(artifact, disk=disk))

    def _read_index(self) -> list[Held]:
        try:
            return list(_HELD.validate_json((self.folder / INDEX).read_bytes()))
        except FileNotFoundError:
            return []
        except ValidationError as error:
            log.warning("the index of the image cache cannot be read", message=str(error))
            return []

    def _write_index(self) -> None:
        part = self.folder / f"{PART}{INDEX}"
        part.write_text(json.dumps(_HELD.dump_python(tuple(self._held), mode="json")), encoding="utf-8")
        part.replace(self.folder / INDEX)
