"""Files of images in the node's cache: fetched once however many machines wait, each under the digest it has.

Downloads and conversions run in child processes. What cannot be fetched is tried again later, and told as long as a
machine wants it.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import structlog

from drover.agent.fetch.order import Result, Stage
from drover.agent.stock import Stock
from drover.agent.workers import Fetcher, Identity, Wanted
from drover.api.domain import Artifact
from drover.api.hypervisor import HeldImage
from drover.errors import NotReady, OperatorError, Retryable
from drover.planning.hypervisor import pick_images
from drover.planning.imagecache import Room, Rules, doomed
from drover.planning.restart import BackOff
from drover.state.resource import Key

log = structlog.stdlib.get_logger(__name__)
RETRIES = BackOff(base=5.0, limit=300.0)
FETCHES = 2
"""Files that are fetched at a time."""
TURN_SECONDS = 300.0
"""A fetch that takes longer lets others go first; its next turn is twice as long."""
WAIT_SECONDS = 60.0
"""Who waits for a download is woken when it ends, and looks again after so long in any case."""
STALE_SECONDS = 30.0
"""A new try that has lasted so long does better than the last one."""
SHOWN_SECONDS = 10.0
"""How far a fetch is, is told that often: each time somebody writes it down."""
FIRST_SHOWN_SECONDS = 2.0
"""A fetch that is done by then is not told of."""
ENDINGS = ("", ".qcow2", ".iso")
"""What is behind the digest in the name of a file."""


@dataclass(slots=True)
class Attempt:
    """A file that is being fetched, or could not be."""

    wanted: Wanted
    users: dict[Key, str] = field(default_factory=dict)
    """Domains that want it, and by which image."""
    waiting: set[Key] = field(default_factory=set)
    """Those to be woken when this try ends."""
    task: asyncio.Task[None] | None = None
    begun_at: float = 0.0
    failures: int = 0
    error: OperatorError | None = None
    """Why the last try failed; kept while the next one is under way."""
    again_at: float = 0.0
    shown: tuple[Stage, int | None] | None = None
    """How far it is, as it is told; None while it is not worth telling."""
    shown_at: float = 0.0

    @property
    def images(self) -> frozenset[str]:
        """The images by which it is wanted; when nobody does any more, that by which it was."""
        return frozenset(self.users.values()) or frozenset({self.wanted.image})


class Images:
    """The cache in `folder`; calls `wake` with the Domains that waited for a file, `changed` when there is news."""

    def __init__(
        self,
        folder: Path,
        fetch: Fetcher,
        *,
        wake: Callable[[Key], None],
        changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        self.rules = Rules()
        self._stock = Stock(folder)
        self._fetch = fetch
        self._wake = wake
        self._changed = changed
        self._clock = clock
        self._turn = turn_seconds
        self._attempts: dict[Identity, Attempt] = {}
        self._kept: dict[Key, HeldImage] = {}
        """What is known of the captured images that pools of this node keep, by their names."""
        self._slots = asyncio.Semaphore(FETCHES)
        self._in_line = 0

    def load(self) -> None:
        """Read what the cache holds."""
        self._stock.load()

    def virtual_size(self, artifact: Artifact, *, image: str) -> int | None:
        """Bytes that a guest sees of an image's disk in the cache, None when it is not there or does not say."""
        held = self._stock.find(artifact, disk=True, image=image)
        return held.virtual_size if held else None

    def path(self, artifact: Artifact, *, disk: bool, image: str) -> Path:
        """Path of an image's file; `NotReady` while the cache does not have it."""
        held = self._stock.find(artifact, disk=disk, image=image)
        if held is None:
            raise NotReady(f"{artifact.url} is not fetched yet", reason="Fetching")
        return self._stock.folder / held.file

    def reported(self) -> tuple[HeldImage, ...]:
        """What is reported of the cache: what each image got from each address last, and why not what it wants."""
        told = {_place(each): each for each in (*self._kept.values(), *(held.told for held in self._stock))}
        # Whatever was taken from one that is lost: the next node would look for it in vain.
        told |= {_place(kept): kept for kept in self._kept.values() if kept.reason}
        for attempt in (each for each in self._attempts.values() if each.error or each.shown):
            for image in attempt.images:
                where = (attempt.wanted.artifact.url, image)
                told[where] = _tried(told.get(where) or HeldImage(image=image, url=where[0]), attempt)
        return pick_images(told.values())

    def keeps(self, image: Key, kept: HeldImage) -> None:
        """Note a captured image of a pool here, or why it is not there."""
        if self._kept.get(image) != kept:
            self._kept[image] = kept
            self._changed()

    def keep_no_more(self, image: Key) -> None:
        """Forget a captured image."""
        if self._kept.pop(image, None) is not None:
            self._changed()

    def tidy(self, named: frozenset[str], ordered: Iterable[tuple[Artifact, bool]]) -> tuple[str, ...]:
        """Take out what nobody needs: no guest or volume, by `named` digests, and no Domain, by its artifacts."""
        in_use = {file for artifact, disk in ordered for file in self._stock.files(artifact, disk=disk)}
        files = self._stock.cached(frozenset(in_use) | {f"{digest}{end}" for digest in named for end in ENDINGS})
        system = os.statvfs(self._stock.folder)
        room = Room(system.f_blocks * system.f_frsize, system.f_bavail * system.f_frsize)
        gone = doomed(files, room, self.rules, now=time.time())
        self._stock.settle(files, gone)
        if gone:
            self._changed()
        return gone

    async def sweep(self) -> None:
        """Free the room of what was tidied up, and of downloads that nobody goes on with."""
        await asyncio.to_thread(self._stock.sweep)

    def want(self, key: Key, files: Iterable[Wanted]) -> None:
        """Have files fetched for a Domain; raises why they are not there yet, and wakes it when that changes."""
        missing = [each for each in files if self._stock.find(each.artifact, disk=each.disk, image=each.image) is None]
        self._leave(key, except_for={each.identity for each in missing})
        troubles = [trouble for each in missing if (trouble := self._await(key, each))]
        if troubles:
            raise troubles[0]
        if missing:
            names = ", ".join(sorted({each.image for each in missing}))
            raise NotReady(f"the node fetches {names}", reason="Fetching", delay=WAIT_SECONDS)

    def leave(self, key: Key) -> None:
        """Note that a Domain wants nothing at the moment: what nobody wants is not told any more."""
        self._leave(key, except_for=frozenset())

    async def close(self) -> None:
        """End all downloads; what they fetched so far stays for the next try."""
        tasks = [attempt.task for attempt in self._attempts.values() if attempt.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _leave(self, key: Key, *, except_for: Iterable[Identity]) -> None:
        for identity in [each for each, attempt in self._attempts.items() if key in attempt.users]:
            if identity not in except_for:
                del self._attempts[identity].users[key]
                self._forget_unwanted(identity)

    def _forget_unwanted(self, identity: Identity) -> None:
        attempt = self._attempts[identity]
        if not attempt.users and attempt.task is None:
            del self._attempts[identity]
            if attempt.error is not None:
                self._changed()

    def _await(self, key: Key, wanted: Wanted) -> OperatorError | None:
        """Join those who wait for a file; gives the trouble with it until the next try gives hope."""
        attempt = self._attempts.setdefault(wanted.identity, Attempt(wanted))
        attempt.wanted = replace(wanted, domain=key)
        attempt.users[key] = wanted.image
        attempt.waiting.add(key)
        now = self._clock()
        if attempt.task is None and now >= attempt.again_at:
            attempt.begun_at = now
            attempt.shown_at = now + FIRST_SHOWN_SECONDS - SHOWN_SECONDS
            attempt.task = asyncio.create_task(self._fetch_one(attempt), name=f"fetch {wanted.image}")
        left = (attempt.begun_at + STALE_SECONDS if attempt.task else attempt.again_at) - now
        if attempt.error is None or left <= 0:
            return None
        return Retryable(str(attempt.error), reason=attempt.error.reason, delay=left)

    async def _fetch_one(self, attempt: Attempt) -> None:
        identity = attempt.wanted.identity
        try:
            self._stock.keep(attempt.wanted, await self._in_turns(attempt))
        except OperatorError as error:
            self._failed(attempt, error)
        except Exception as error:
            # Whatever it is: without a pause those who wait would ask again at once, for ever.
            log.exception("fetch failed unexpectedly", image=attempt.wanted.image)
            self._failed(attempt, Retryable(f"{type(error).__name__}: {error}", reason="FetchFailed"))
        else:
            del self._attempts[identity]
        finally:
            attempt.task = None
            attempt.shown = None
            self._ended(attempt)

    def _show(self, attempt: Attempt, stage: Stage, percent: int | None) -> None:
        """Have it told how far a fetch is, unless that was told a moment ago."""
        now = self._clock()
        if now - attempt.shown_at >= SHOWN_SECONDS and attempt.shown != (stage, percent):
            attempt.shown, attempt.shown_at = (stage, percent), now
            self._changed()

    def _ended(self, attempt: Attempt) -> None:
        """Tell everybody that a try has ended, however it did."""
        if attempt.wanted.identity in self._attempts:
            self._forget_unwanted(attempt.wanted.identity)
        self._changed()
        waiting, attempt.waiting = attempt.waiting, set()
        for key in waiting:
            self._wake(key)

    async def _in_turns(self, attempt: Attempt) -> Result:
        """Fetch; a long one lets those go first that wait, and goes on where it stopped when it has a slot again."""
        turn = self._turn
        while True:
            self._in_line += 1
            try:
                await self._slots.acquire()
            finally:
                self._in_line -= 1
            try:
                if (fetched := await self._one_turn(attempt, turn)) is not None:
                    return fetched
            finally:
                self._slots.release()
            turn *= 2

    async def _one_turn(self, attempt: Attempt, seconds: float) -> Result | None:
        """Fetch for so long, and on while nobody waits; None when it was stopped for others."""
        wanted = attempt.wanted
        task = asyncio.ensure_future(self._fetch(wanted, self._stock.folder, partial(self._show, attempt)))
        try:
            while True:
                done, _ = await asyncio.wait({task}, timeout=seconds)
                if done:
                    return task.result()
                if self._in_line:
                    log.info("fetch makes way for others", image=wanted.image)
                    return None
        finally:
            task.cancel()
            await asyncio.wait({task})

    def _failed(self, attempt: Attempt, error: OperatorError) -> None:
        attempt.failures += 1
        attempt.error = error
        attempt.again_at = self._clock() + RETRIES.delay(attempt.failures)
        log.warning("fetch failed", image=attempt.wanted.image, reason=error.reason, message=str(error))


def _place(told: HeldImage) -> tuple[str, str]:
    return told.url, told.image


def _tried(held: HeldImage, attempt: Attempt) -> HeldImage:
    """What is told of a file while it is fetched, and when it cannot be."""
    if attempt.error is not None:
        whose, _, rest = str(attempt.error).partition(": ")
        words = rest if whose in attempt.images else str(attempt.error)
        trouble = {"wanted": attempt.wanted.artifact.checksum or "", "reason": attempt.error.reason}
        held = held.model_copy(update={**trouble, "message": words[:1024]})
    if attempt.shown is not None:
        stage, percent = attempt.shown
        held = held.model_copy(update={"stage": stage, "percent": percent})
    return held
