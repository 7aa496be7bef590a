"""Encrypted volumes in memory: each opens by the passphrase it was made with."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from drover.errors import NotReady
from drover.state.host import Passphrase, VolumeFile

Files = dict[tuple[str, str], VolumeFile]


@dataclass
class FakeSafe:
    """What `hypervisor.safe` does."""

    files: Files
    call: Callable[[str], None]
    locks: dict[str, Passphrase] = field(default_factory=dict)
    """What opens each volume, by uid."""
    known: dict[str, Passphrase] = field(default_factory=dict)
    """What libvirt knows now."""
    lendings: list[str] = field(default_factory=list)

    async def create(
        self, pool: str, uid: str, size_bytes: int, image: Path | None, passphrase: Passphrase
    ) -> VolumeFile:
        self.call(f"create encrypted from {image.name}" if image else "create encrypted")
        self.locks[uid] = passphrase
        return self.files.setdefault((pool, uid), VolumeFile(f"/{pool}/{uid}", size_bytes, 1 << 20))

    async def create_whole(
        self, pool: str, uid: str, size_bytes: int, image: Path, passphrase: Passphrase
    ) -> VolumeFile:
        self.call(f"create whole encrypted from {image.name}")
        return await self.create(pool, uid, size_bytes, None, passphrase)

    async def grow(self, pool: str, uid: str, size_bytes: int, passphrase: Passphrase) -> VolumeFile | None:
        self.call("grow encrypted")
        await self.check(pool, uid, passphrase)
        if (pool, uid) in self.files:
            self.files[pool, uid] = replace(self.files[pool, uid], capacity_bytes=size_bytes)
        return self.files.get((pool, uid))

    async def check(self, _pool: str, uid: str, passphrase: Passphrase) -> None:
        self.call("check passphrase")
        if uid not in self.locks:
            raise NotReady("its file is not encrypted", reason="NotEncrypted")
        if self.locks[uid] != passphrase:
            raise NotReady("the passphrase does not open it", reason="WrongKey")

    @asynccontextmanager
    async def lent(self, passphrases: Mapping[str, Passphrase]) -> AsyncIterator[None]:
        self.known.update(passphrases)
        self.lendings += passphrases
        yield
        self.known.clear()

    async def sweep(self) -> None:
        self.call("sweep passphrases")
        self.known.clear()
