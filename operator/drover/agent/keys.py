"""Encrypted disks: their passphrases are read for one step at a time, and kept nowhere on this node."""

import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drover.api.cloudinit import SecretKey
from drover.api.domain import DomainDisk
from drover.errors import NotReady, Retryable
from drover.hypervisor.safe import Safe
from drover.planning import passphrase as passphrases
from drover.planning.view import DomainView
from drover.state.host import Passphrase, VolumeFile

Reader = Callable[[DomainView, DomainDisk, SecretKey], Awaitable[bytes]]
"""Reads what opens an encrypted disk; `NotReady` when it is missing, `Unavailable` when nobody answers."""
WRONG = "WrongKey"
WRONG_SECONDS = 120.0
"""How soon a passphrase that was wrong is tried again: somebody may have changed that of the file by hand."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A passphrase that was tried on a volume."""

    mark: bytes
    """Stands for it, in this process alone."""
    right: bool
    at: float


@dataclass(slots=True)
class Keys:
    """Makes, enlarges and opens the encrypted volumes of this node.

    It remembers which passphrases were right and wrong: to try one takes two seconds of a core, on purpose.
    """

    safe: Safe
    read: Reader
    clock: Callable[[], float] = time.monotonic
    _salt: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    _trials: dict[str, Trial] = field(default_factory=dict, repr=False)
    """By uid of the volume; those of deleted volumes are dropped."""

    async def create(
        self, order: DomainView, disk: DomainDisk, size_bytes: int, image: Path | None, *, whole: bool
    ) -> VolumeFile:
        """Make a disk's file; `whole`: with all that is in the image, which is not on every node that will use it."""
        passphrase = await self._passphrase(order, disk)
        with self._told(disk, passphrase):
            if whole and image is not None:
                return await self.safe.create_whole(disk.pool, disk.volume_uid, size_bytes, image, passphrase)
            return await self.safe.create(disk.pool, disk.volume_uid, size_bytes, image, passphrase)

    async def grow(self, order: DomainView, disk: DomainDisk, size_bytes: int) -> VolumeFile:
        """Make the file of a disk larger whose guest is off."""
        passphrase = await self._passphrase(order, disk)
        with self._told(disk, passphrase):
            file = await self.safe.grow(disk.pool, disk.volume_uid, size_bytes, passphrase)
        if file is None:
            raise NotReady(f"disk {disk.name}: the file of volume {disk.volume} is not there", reason="VolumeLost")
        return file

    async def check(self, order: DomainView, disk: DomainDisk) -> None:
        """Object to an encrypted disk that its passphrase does not open; its guest is off."""
        passphrase = await self._passphrase(order, disk)
        last = self._trials.get(disk.volume_uid)
        if last is not None and last.mark == self._mark(passphrase):
            if last.right:
                return
            if self.clock() - last.at < WRONG_SECONDS:
                raise _refused(disk)
        with self._told(disk, passphrase):
            await self.safe.check(disk.pool, disk.volume_uid, passphrase)

    @asynccontextmanager
    async def lent(self, order: DomainView, disks: Iterable[DomainDisk]) -> AsyncIterator[None]:
        """Have libvirt know what opens those of the disks that are encrypted while it begins to use them."""
        found = {disk.volume_uid: await self._passphrase(order, disk) for disk in disks if disk.key}
        try:
            async with self.safe.lent(found):
                yield
        except Retryable:
            # It may have failed for this: the next look at the volumes finds out.
            for uid in found:
                self.forget(uid)
            raise

    def forget(self, uid: str) -> None:
        """Know nothing more of a volume."""
        self._trials.pop(uid, None)

    async def _passphrase(self, order: DomainView, disk: DomainDisk) -> Passphrase:
        assert disk.key is not None, "only an encrypted disk is opened"
        return passphrases.read(await self.read(order, disk, disk.key), disk.name, disk.key)

    @contextmanager
    def _told(self, disk: DomainDisk, passphrase: Passphrase) -> Iterator[None]:
        """Remember how it went with a passphrase, and say whose trouble it is."""
        try:
            yield
        except NotReady as error:
            if error.reason != WRONG:
                raise NotReady(f"disk {disk.name}: {error}", reason=error.reason, delay=error.delay) from error
            self._remember(disk, passphrase, right=False)
            raise _refused(disk) from error
        self._remember(disk, passphrase, right=True)

    def _remember(self, disk: DomainDisk, passphrase: Passphrase, *, right: bool) -> None:
        self._trials[disk.volume_uid] = Trial(self._mark(passphrase), right, self.clock())

    def _mark(self, passphrase: Passphrase) -> bytes:
        return hashlib.blake2b(passphrase.value, key=self._salt).digest()


def _refused(disk: DomainDisk) -> NotReady:
    assert disk.key is not None, "only an encrypted disk is opened"
    return passphrases.refused(disk.name, disk.volume, disk.key)
