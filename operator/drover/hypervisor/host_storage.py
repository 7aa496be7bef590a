"""Verbs on pools and volumes, a part of `host`: `pool` is the StoragePool's name, `uid` the StorageVolume's."""

import asyncio
from collections import defaultdict
from pathlib import Path, PurePosixPath

from drover.hypervisor import capture, disk, imageuse, unit
from drover.hypervisor import pool as storage
from drover.hypervisor.connection import Connection
from drover.state.guest import Unit
from drover.state.host import Lender, PoolFacts, VolumeFile

COPIES = 2
"""Volumes that may be copied or wiped at once: each takes as long as its data are many."""


class Storage:
    """What can be done to a pool, or to a volume in it."""

    _libvirt: Connection
    _means: disk.Means
    _copies: asyncio.Semaphore
    _pools: defaultdict[str, asyncio.Lock]

    async def ensure_pool(self, pool: str, path: str, lender: Lender | None = None) -> PoolFacts:
        """Define, build and activate a pool of the directory, or of what the lender has.

        Raises `NotReady` when it cannot be made or used, with reason Unsupported when the node lacks a package for it.
        """
        async with self._pools[pool]:
            return await self._libvirt.call(storage.ensure, pool, path, lender)

    async def pool(self, pool: str) -> PoolFacts | None:
        """Sizes of an active pool; None when there is none."""
        return await self._libvirt.call(storage.pool, pool)

    async def pool_names(self) -> tuple[str, ...]:
        """Names of the StoragePools that libvirt has a pool of, active or not."""
        return await self._libvirt.call(storage.names)

    async def remove_pool(self, pool: str) -> None:
        """Make libvirt forget the pool; its files stay."""
        async with self._pools[pool]:
            await self._libvirt.call(storage.remove, pool)

    async def volume(self, pool: str, uid: str) -> VolumeFile | None:
        """The volume's file; None when there is none."""
        return await self._libvirt.call(disk.look, pool, uid)

    async def create_volume(self, pool: str, uid: str, size_bytes: int, image: Path | None = None) -> VolumeFile:
        """Make the volume's file, blank or by copy on write of a qcow2 `image`; keep one that is there.

        Raises `NotReady` with reason PoolFull when there is no room.
        """
        base = None if image is None else PurePosixPath(image)
        return await self._libvirt.call(disk.create, pool, uid, size_bytes, base, self._means)

    async def create_whole_volume(self, pool: str, uid: str, size_bytes: int, image: Path | None) -> VolumeFile:
        """Make the volume with every byte of its own: with all that is in the image, if there is one.

        Takes as long as copying takes.
        """
        base = None if image is None else PurePosixPath(image)
        async with self._copies:
            return await self._libvirt.call(disk.create_whole, pool, uid, size_bytes, base, self._means)

    async def grow_volume(self, pool: str, uid: str, size_bytes: int) -> VolumeFile:
        """Make a volume of a guest that is off larger; never smaller."""
        return await self._libvirt.call(disk.grow, pool, uid, size_bytes)

    async def copy_volume(self, pool: str, uid: str, size_bytes: int, origin: tuple[str, str]) -> VolumeFile:
        """Make the volume's file as a copy of the one of `origin`, a pool and uid; keep one that is there.

        Raises `NotReady` with reason SourceInUse while a guest has the origin open. Takes as long as copying takes.
        """
        async with self._copies:
            return await self._libvirt.call(disk.copy, pool, uid, size_bytes, origin, self._means)

    async def digest(self, file: VolumeFile) -> str:
        """sha256:… of a file that nobody writes; takes as long as reading it takes."""
        async with self._copies:
            return await capture.digest(Path(file.path))

    async def wipe_volume(self, pool: str, uid: str) -> None:
        """Write zeros over the volume's data; done if it is gone, to be done again if it was not done to its end."""
        async with self._copies:
            await self._libvirt.call(disk.wipe, pool, uid)

    async def delete_volume(self, pool: str, uid: str) -> None:
        """Delete the volume's data; done if it is gone."""
        await self._libvirt.call(disk.delete, pool, uid)

    async def lun(self, pool: str, lun: int) -> VolumeFile | None:
        """A LUN of the pool's target; None when the target does not offer it."""
        async with self._pools[pool]:
            return await self._libvirt.call(unit.look, pool, lun)

    async def wipe_lun(self, pool: str, place: Unit) -> None:
        """Write zeros over a LUN; done if it is gone, to be done again if it was not done to its end."""
        async with self._copies:
            await self._libvirt.call(unit.wipe, pool, place)

    async def volumes(self, pool: str) -> tuple[str, ...]:
        """List the uids of the volumes in the pool."""
        return await self._libvirt.call(disk.uids, pool)

    async def named_images(self) -> frozenset[str]:
        """Digests of cached images that guests and volumes here name; `NotReady` when that cannot be known."""
        return await self._libvirt.call(imageuse.named)
