"""Files of images in the node's cache: fetched once however many machines wait, each under the digest it has.

Downloads and conversions run in child processes. What they leave is written down in an index, so that the node knows
after a restart what it holds and where that came from.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from drover.agent.fetch.order import PART, Result
from drover.agent.workers import Fetcher, Wanted
from drover.api.domain import Artifact
from drover.api.hypervisor import HeldImage
from drover.errors import NotReady, OperatorError, Retryable
from drover.planning.restart import BackOff
from drover.state.resource import Key

log = structlog.stdlib.get_logger(__name__)
RETRIES = BackOff(base=5.0, limit=300.0)
FETCHES = 2
"""Files that are fetched at a time."""
WAIT_SECONDS = 60.0
"""Who waits for a download is woken when it ends, and looks again after so long in any case."""
UNFINISHED_SECONDS = 3600.0
INDEX = "index.json"


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

    @property
    def digest(self) -> str:
        """sha256:… of the file as fetched."""
        return self.checksums[0]


_HELD = TypeAdapter(tuple[Held, ...])


@dataclass(slots=True)
class Attempt:
    """A file that is being fetched, or could not be."""

    waiting: set[Key] = field(default_factory=set)
    task: asyncio.Task[None] | None = None
    failures: int = 0
    error: OperatorError | None = None
    again_at: float = 0.0


class Images:
    """The cache in `folder`; calls `wake` with the Domains that waited for a file, `changed` when it holds another."""

    def __init__(
        self,
        folder: Path,
        fetch: Fetcher,
        *,
        wake: Callable[[Key], None],
        changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._fetch = fetch
        self._wake = wake
        self._changed = changed
        self._clock = clock
        self._held: list[Held] = []
        self._attempts: dict[tuple[str, str, bool], Attempt] = {}
        self._slots = asyncio.Semaphore(FETCHES)

    def load(self) -> None:
        """Read what the cache holds; forget what is not there any more."""
        self._folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.sweep()
        self._held = [held for held in self._read_index() if (self._folder / held.file).is_file()]

    def sweep(self) -> None:
        """Delete what was never finished and nobody has gone on with for long."""
        oldest = time.time() - UNFINISHED_SECONDS
        for part in self._folder.glob(f"{PART}*"):
            with suppress(FileNotFoundError):
                if part.stat().st_mtime < oldest:
                    part.unlink()

    def find(self, artifact: Artifact, *, disk: bool) -> Held | None:
        """Find a file that has what the artifact asks for."""
        for held in reversed(self._held):
            fits = artifact.checksum in held.checksums if artifact.checksum else held.url == artifact.url
            if fits and held.disk is disk and (self._folder / held.file).is_file():
                return held
        return None

    def path(self, artifact: Artifact, *, disk: bool) -> Path:
        """Path of a file; `NotReady` while the cache does not have it."""
        held = self.find(artifact, disk=disk)
        if held is None:
            raise NotReady(f"{artifact.url} is not fetched yet", reason="Fetching")
        return self._folder / held.file

    def held(self) -> tuple[HeldImage, ...]:
        """What is reported of the cache: of each address what it gave last."""
        latest = {held.url: held for held in self._held}
        return tuple(
            HeldImage(
                image=held.image,
                url=held.url,
                digest=held.digest,
                size=held.size,
                format=held.format,
                virtual_size=held.virtual_size,
            )
            for _, held in sorted(latest.items())
        )

    def want(self, key: Key, files: Iterable[Wanted]) -> None:
        """Have files fetched for a Domain; raises why they are not there yet, and wakes it when that changes."""
        missing = [each for each in files if self.find(each.artifact, disk=each.disk) is None]
        troubles = [trouble for each in missing if (trouble := self._await(key, each))]
        if troubles:
            raise troubles[0]
        if missing:
            names = ", ".join(sorted({each.image for each in missing}))
            raise NotReady(f"the node fetches {names}", reason="Fetching", delay=WAIT_SECONDS)

    async def close(self) -> None:
        """End all downloads; what they fetched so far stays for the next try."""
        tasks = [attempt.task for attempt in self._attempts.values() if attempt.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _await(self, key: Key, wanted: Wanted) -> OperatorError | None:
        """Join those who wait for a file; gives the trouble with it while the next try is not due."""
        attempt = self._attempts.setdefault(wanted.identity, Attempt())
        attempt.waiting.add(key)
        left = attempt.again_at - self._clock()
        if attempt.task is not None:
            return None
        if attempt.error is not None and left > 0:
            return Retryable(str(attempt.error), reason=attempt.error.reason, delay=left)
        attempt.task = asyncio.create_task(self._fetch_one(wanted, attempt), name=f"fetch {wanted.artifact.url}")
        return None

    async def _fetch_one(self, wanted: Wanted, attempt: Attempt) -> None:
        try:
            async with self._slots:
                self._keep(wanted, await self._fetch(wanted, self._folder))
        except OperatorError as error:
            self._failed(wanted, attempt, error)
        except Exception as error:
            # Whatever it is: without a pause those who wait would ask again at once, for ever.
            log.exception("fetch failed unexpectedly", url=wanted.artifact.url)
            self._failed(wanted, attempt, Retryable(f"{type(error).__name__}: {error}", reason="FetchFailed"))
        else:
            del self._attempts[wanted.identity]
        finally:
            attempt.task = None
            waiting, attempt.waiting = attempt.waiting, set()
            for key in waiting:
                self._wake(key)

    def _failed(self, wanted: Wanted, attempt: Attempt, error: OperatorError) -> None:
        attempt.failures += 1
        attempt.error = error
        attempt.again_at = self._clock() + RETRIES.delay(attempt.failures)
        log.warning(
            "fetch failed", url=wanted.artifact.url, image=wanted.image, reason=error.reason, message=str(error)
        )

    def _keep(self, wanted: Wanted, fetched: Result) -> None:
        held = Held(
            image=wanted.image,
            url=wanted.artifact.url,
            checksums=tuple(dict.fromkeys(each for each in (fetched.digest, wanted.artifact.checksum) if each)),
            disk=wanted.disk,
            file=fetched.file,
            size=fetched.size,
            format=fetched.format,
            virtual_size=fetched.virtual_size,
        )
        self._held.append(held)
        self._write_index()
        self._changed()

    def _read_index(self) -> list[Held]:
        try:
            return list(_HELD.validate_json((self._folder / INDEX).read_bytes()))
        except FileNotFoundError:
            return []
        except ValidationError as error:
            log.warning("the index of the image cache cannot be read", message=str(error))
            return []

    def _write_index(self) -> None:
        part = self._folder / f"{PART}{INDEX}"
        part.write_text(json.dumps(_HELD.dump_python(tuple(self._held), mode="json")), encoding="utf-8")
        part.replace(self._folder / INDEX)
