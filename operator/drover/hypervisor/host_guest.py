"""Verbs on guests, a part of `host`: each takes libvirt's uuid of a guest, which is the machine's uid."""

import asyncio
import contextlib
from collections.abc import Collection
from pathlib import PurePosixPath

from drover.api.domain import DomainDisk, DomainInterface
from drover.api.hardware import DiskBounds
from drover.api.interface import LinkState
from drover.errors import Unavailable
from drover.hypervisor import devices, stats
from drover.hypervisor import domain as guests
from drover.hypervisor.connection import Connection
from drover.hypervisor.logs import Logs
from drover.state.guest import Blueprint, Guest, Place, Record
from drover.state.host import GuestSample

SAVES = 2
"""Guests whose memory may be saved at once: each takes minutes of a disk."""
CUTS = 4
"""Guests whose power may be cut at once: a stuck QEMU takes a quarter of a minute."""
ASK_SECONDS = 3.0
"""How long to wait until a guest agent has taken a shutdown request, its queue included."""


class Guests:
    """What can be done to a guest."""

    logs: Logs
    _libvirt: Connection
    _guest_agents: Connection
    _starts: asyncio.Semaphore
    _saves: asyncio.Semaphore
    _cuts: asyncio.Semaphore

    async def guests(self) -> tuple[Guest, ...]:
        """All guests of ours; for start-up and the slow comparison, not for each reconcile."""
        return await self._libvirt.call(guests.guests)

    async def guest(self, uuid: str) -> Guest | None:
        """One guest of ours; None when there is none."""
        return await self._libvirt.call(guests.guest, uuid)

    async def define(self, blueprint: Blueprint) -> None:
        """Make libvirt know the guest as the blueprint says, record included; a running one keeps what it has."""
        await self._libvirt.call(guests.define, blueprint)

    async def start(self, uuid: str, *, paused: bool = False) -> None:
        """Boot the guest, or restore it from its managed save; done if it is active already.

        A managed save that cannot be read raises `Refused` with reason ResumeFailed and is kept.
        """
        async with self._starts:
            await self._libvirt.call(guests.start, uuid, paused=paused)

    async def launch(self, blueprint: Blueprint, *, paused: bool = False) -> None:
        """Define and start in one go."""
        async with self._starts:
            await self._libvirt.call(guests.launch, blueprint, paused=paused)

    async def shutdown(self, uuid: str) -> None:
        """Ask the guest to switch itself off, by its agent if that is connected, else by ACPI; returns at once."""
        # Guests that do not answer may keep all threads for guest agents, and the grace period runs already.
        with contextlib.suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(ASK_SECONDS):
                if await self._guest_agents.call(guests.agent_shutdown, uuid):
                    return
        await self._libvirt.call(guests.shutdown, uuid)

    async def destroy(self, uuid: str) -> None:
        """Cut the guest's power; done if it is off or unknown."""
        async with self._cuts:
            await self._libvirt.call(guests.destroy, uuid)

    async def suspend(self, uuid: str) -> None:
        """Stop the guest's clock, memory kept."""
        await self._libvirt.call(guests.suspend, uuid)

    async def resume(self, uuid: str) -> None:
        """Let a paused guest run on."""
        await self._libvirt.call(guests.resume, uuid)

    async def set_link(self, uuid: str, mac: str, state: LinkState) -> None:
        """Plug the cable of an interface of a running guest in or out."""
        await self._libvirt.call(guests.set_link, uuid, mac, state)

    async def set_cores(self, uuid: str, cores: int) -> None:
        """Plug processors into a running guest until it has so many."""
        await self._libvirt.call(devices.set_cores, uuid, cores)

    async def set_memory(self, uuid: str, size_bytes: int) -> None:
        """Have the balloon of a running guest leave it so much; the guest follows when it can."""
        await self._libvirt.call(devices.set_memory, uuid, size_bytes)

    async def attach_disk(self, uuid: str, disk: DomainDisk, place: Place, device: str) -> None:
        """Plug a disk into a running guest."""
        await self._libvirt.call(devices.attach_disk, uuid, disk, place, device)

    async def detach_disk(self, uuid: str, name: str) -> None:
        """Take a disk from a running guest; `NotReady` until it has let go."""
        await self._libvirt.call(devices.detach_disk, uuid, name)

    async def resize_disk(self, uuid: str, name: str, size_bytes: int) -> None:
        """Make a disk of a running guest larger; never smaller."""
        await self._libvirt.call(devices.resize_disk, uuid, name, size_bytes)

    async def limit_disk(self, uuid: str, name: str, limits: DiskBounds) -> None:
        """Bound the traffic of a disk of a running guest."""
        await self._libvirt.call(devices.limit_disk, uuid, name, limits)

    async def set_medium(self, uuid: str, name: str, content: PurePosixPath | None) -> None:
        """Have a file in a drive of a running guest, or nothing."""
        await self._libvirt.call(devices.set_medium, uuid, name, content)

    async def attach_interface(self, uuid: str, interface: DomainInterface) -> None:
        """Plug an interface into a running guest."""
        await self._libvirt.call(devices.attach_interface, uuid, interface)

    async def detach_interface(self, uuid: str, name: str) -> None:
        """Take an interface from a running guest; `NotReady` until it has let go."""
        await self._libvirt.call(devices.detach_interface, uuid, name)

    async def hibernate(self, uuid: str) -> None:
        """Save the guest's memory next to its disks and end its QEMU; the next start restores it."""
        async with self._saves:
            await self._libvirt.call(guests.hibernate, uuid)

    async def stop_saving(self, uuid: str) -> None:
        """Have a guest whose memory is being saved run on; `NotReady` until it does."""
        await self._libvirt.call(guests.stop_saving, uuid)

    async def discard_save(self, uuid: str) -> None:
        """Throw the saved memory away: the next start boots."""
        await self._libvirt.call(guests.discard_save, uuid)

    async def undefine(self, uuid: str) -> None:
        """Make libvirt forget a guest that is off, its saved memory and serial log with it."""
        await self._libvirt.call(guests.undefine, uuid)
        await asyncio.to_thread(self.logs.remove, uuid)

    async def write_record(self, uuid: str, record: Record) -> None:
        """Replace the record, of the running guest too; done if the guest is unknown."""
        await self._libvirt.call(guests.write_record, uuid, record)

    async def ping_guest(self, uuid: str, *, timeout_seconds: int = 1) -> bool:
        """Whether the guest agent inside the guest answers."""
        with contextlib.suppress(Unavailable):
            return await self._guest_agents.call(guests.ping, uuid, timeout_seconds)
        return False

    async def trim_logs(self) -> None:
        """Cut every serial log that grew past twice its bound back to its last 64 KiB; call it every few seconds."""
        await asyncio.to_thread(self.logs.trim)

    async def samples(self, uuids: Collection[str]) -> tuple[GuestSample, ...]:
        """Counters of those of the guests that are active and not busy; costs about 7 ms a guest in libvirtd."""
        return await self._libvirt.call(stats.samples, uuids)
