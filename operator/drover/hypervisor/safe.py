"""Encrypted volumes of this host as one object of small verbs, as `host` has them for the rest."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from drover.errors import OperatorError
from drover.hypervisor import encrypted
from drover.hypervisor.connection import Connection
from drover.state.host import Passphrase, VolumeFile


@dataclass(frozen=True, slots=True)
class Safe:
    """Makes and opens encrypted volumes; `copies` bounds how much of that is done at once: it is a core's work."""

    libvirt: Connection
    copies: asyncio.Semaphore
    lent_now: set[str] = field(default_factory=set)
    """Uids of the volumes whose passphrases libvirt knows."""

    async def create(
        self, pool: str, uid: str, size_bytes: int, image: Path | None, passphrase: Passphrase
    ) -> VolumeFile:
        """Make the volume's file, blank or by copy on write of a qcow2 `image`; keep one that is there."""
        base = None if image is None else PurePosixPath(image)
        async with self.copies:
            return await self.libvirt.call(encrypted.create, pool, uid, size_bytes, base, passphrase)

    async def create_whole(
        self, pool: str, uid: str, size_bytes: int, image: Path, passphrase: Passphrase
    ) -> VolumeFile:
        """Make the volume's file with all that is in the image, which it does not need any more then."""
        async with self.copies:
            base = PurePosixPath(image)
            return await self.libvirt.call(encrypted.create_whole, pool, uid, size_bytes, base, passphrase)

    async def grow(self, pool: str, uid: str, size_bytes: int, passphrase: Passphrase) -> VolumeFile | None:
        """Make a volume of a guest that is off larger; None when it is gone."""
        async with self.copies:
            return await self.libvirt.call(encrypted.grow, pool, uid, size_bytes, passphrase)

    async def check(self, pool: str, uid: str, passphrase: Passphrase) -> None:
        """Open the volume of a guest that is off; `NotReady` with reason WrongKey or NotEncrypted when that fails."""
        async with self.copies:
            await self.libvirt.call(encrypted.check, pool, uid, passphrase)

    @asynccontextmanager
    async def lent(self, passphrases: Mapping[str, Passphrase]) -> AsyncIterator[None]:
        """Have libvirt know the passphrases of volumes, by their uids, while it opens them, and no longer."""
        self.lent_now.update(passphrases)
        try:
            for uid, passphrase in passphrases.items():
                await self.libvirt.call(encrypted.lend, uid, passphrase)
            yield
        finally:
            self.lent_now.difference_update(passphrases)
            for uid in passphrases:
                # A libvirtd that is gone has forgotten it, and a later sweep finds what is left.
                with suppress(OperatorError):
                    await self.libvirt.call(encrypted.take_back, uid)

    async def sweep(self) -> None:
        """Have libvirt forget what is not lent now, such as what an agent before this one left."""
        await self.libvirt.call(encrypted.take_back_all, frozenset(self.lent_now))
