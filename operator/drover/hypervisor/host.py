"""The host's libvirt as one object of small verbs: what the agent's reconcilers act on.

Every verb is idempotent unless it says otherwise, takes libvirt's uuid of a guest (the machine's uid), and raises only
the taxonomy of `drover.errors` (`Unavailable` while libvirtd does not answer) or `HypervisorFault`, which is a bug.
Guests without a record of ours do not exist here: they are neither listed nor touched.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from drover.api.domain import DomainDisk, DomainInterface
from drover.api.hardware import DiskBounds
from drover.api.interface import LinkState
from drover.api.network import VirtualNetworkSpec
from drover.errors import Unavailable
from drover.hypervisor import capture, devices, disk, facts, hostdevice, imageuse, stats, unit
from drover.hypervisor import domain as guests
from drover.hypervisor import network as networks
from drover.hypervisor import pool as storage
from drover.hypervisor.connection import Callbacks, Connection
from drover.hypervisor.events import told
from drover.hypervisor.keyring import Keyring
from drover.hypervisor.leases import Leases
from drover.hypervisor.logs import Logs
from drover.hypervisor.safe import Safe
from drover.state.guest import Blueprint, Guest, GuestEvent, Place, Record, Unit
from drover.state.host import GuestSample, HostFacts, Lender, NetworkFacts, PoolFacts, Reservation, VolumeFile
from drover.state.hostdevice import Claim

SPARE_THREADS = 4
"""Calls that are served while as many guests as may be are starting, being saved and being cut off."""
SAVES = 2
"""Guests whose memory may be saved at once: each takes minutes of a disk."""
CUTS = 4
"""Guests whose power may be cut at once: a stuck QEMU takes a quarter of a minute."""
COPIES = 2
"""Volumes that may be copied or wiped at once: each takes as long as its data are many."""
AGENT_THREADS = 4
FACTS_SECONDS = 30.0
"""How old what is known of the host may be when something is missing."""
ASK_SECONDS = 3.0
"""How long to wait until a guest agent has taken a shutdown request, its queue included."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Where libvirt is and where the agent keeps what libvirt does not."""

    uri: str
    state_dir: Path
    """networks/ and logs/ below it are the host's."""
    boot_id: str
    starts: int
    """Guests that may be starting at once: the cores."""


class Host:
    """libvirt on this node; enter it to connect, and it stays connected until it is left."""

    def __init__(self, options: HostOptions) -> None:
        self.options = options
        self.logs = Logs(options.state_dir / "logs")
        self._listeners: list[Callable[[GuestEvent], None]] = []
        self._watchers: list[Callable[[bool], None]] = []
        self._starts = asyncio.Semaphore(options.starts)
        self._saves = asyncio.Semaphore(SAVES)
        self._cuts = asyncio.Semaphore(CUTS)
        self._copies = asyncio.Semaphore(COPIES)
        # libvirt refuses the later one of two who define, start or stop the same thing at once.
        self._pools: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._networks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._facts: HostFacts | None = None
        self._facts_at = 0.0
        self._probing = asyncio.Lock()
        callbacks = Callbacks(self._deliver, self._notify)
        threads = options.starts + SAVES + CUTS + COPIES + SPARE_THREADS
        self._libvirt = Connection(options.uri, threads=threads, callbacks=callbacks)
        self.safe = Safe(self._libvirt, self._copies)
        self.captures = capture.Captures(self._libvirt, self._copies)
        self.keyring = Keyring(self._libvirt)
        self._means = disk.Means(options.state_dir, self.keyring.keys)
        # A guest decides how long its agent takes to answer, so those calls must not stand in anybody's way.
        self._guest_agents = Connection(options.uri, threads=AGENT_THREADS)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin to connect in the background; `connected` tells when libvirtd has answered."""
        await asyncio.to_thread(self.logs.prepare)
        self._tasks = [asyncio.create_task(one.run()) for one in (self._libvirt, self._guest_agents)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection; guests are not touched."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connected(self) -> bool:
        """Whether libvirtd answers."""
        return self._libvirt.connected

    @property
    def trouble(self) -> str:
        """Why libvirtd does not answer, in libvirt's words; stale while it does."""
        return self._libvirt.trouble

    def subscribe(self, callback: Callable[[GuestEvent], None]) -> None:
        """Call `callback` in the event loop with every event of any guest, foreign ones too (look the uuid up)."""
        self._listeners.append(callback)

    def watch_connection(self, callback: Callable[[bool], None]) -> None:
        """Call `callback` in the event loop with True at each connect and False at each loss."""
        self._watchers.append(callback)

    async def wait_connected(self) -> None:
        """Return once libvirtd answers."""
        await self._libvirt.wait()

    def _deliver(self, event: GuestEvent) -> None:
        for listener in self._listeners:
            told(listener, event)

    def _notify(self, connected: bool) -> None:  # noqa: FBT001  # the callback's whole message
        for watcher in self._watchers:
            told(watcher, connected)

    def _network(self, name: str) -> Path:
        return self.options.state_dir / "networks" / name

    # --- the host -------------------------------------------------------------------------------------------------

    async def facts(self, *, afresh: bool = False) -> HostFacts:
        """What the host can do; the first call of a boot boots a probe guest to see whether KVM works (seconds).

        `afresh` looks again, at most every half minute: somebody may have installed what was missing.
        """
        # One at a time: two probe guests of one name would fail each other.
        async with self._probing:
            old = afresh and asyncio.get_running_loop().time() - self._facts_at > FACTS_SECONDS
            if self._facts is None or old:
                self._facts_at = asyncio.get_running_loop().time()
                directory = self.options.state_dir / "probe"
                self._facts = await self._libvirt.call(facts.facts, directory, self.options.boot_id)
            return self._facts

    async def device_claims(self) -> tuple[Claim, ...]:
        """Devices of the node that guests' definitions name, guests of strangers among them."""
        return await self._libvirt.call(hostdevice.claims)

    # --- guests ---------------------------------------------------------------------------------------------------

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

    # --- pools and volumes: `pool` is the StoragePool's name, `uid` the StorageVolume's -----------------------------

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

    # --- networks: `network` is the VirtualNetwork's name ----------------------------------------------------------

    async def ensure_network(self, network: str, spec: VirtualNetworkSpec) -> NetworkFacts:
        """Make the network active as the spec says.

        One that differs, or is inactive, is made anew; while guests use it that raises `Busy` with reason NetworkInUse.
        """
        async with self._networks[network]:
            return await self._libvirt.call(networks.ensure, network, spec, self._network(network))

    async def network_names(self) -> tuple[str, ...]:
        """Names of the VirtualNetworks that libvirt has a network of, active or not."""
        return await self._libvirt.call(networks.names)

    async def remove_network(self, network: str) -> None:
        """Take the network down and forget it; `Busy` while guests use it."""
        async with self._networks[network]:
            await self._libvirt.call(networks.remove, network)

    async def reserve(self, network: str, domain: str, reservation: Reservation) -> None:
        """Give the address to the hardware address by DHCP and answer its names, within milliseconds.

        `domain` is the network's: the name is <machine>.<namespace>.<domain>.
        """
        await self._libvirt.call(networks.reserve, network, self._network(network), domain, reservation)

    async def release(self, network: str, mac: str) -> None:
        """Forget the reservation of a hardware address; done if there is none."""
        await self._libvirt.call(networks.release, network, self._network(network), mac)

    async def reservations(self, network: str) -> tuple[str, ...]:
        """Hardware addresses that have a reservation or a name: to find those that nobody needs any more."""
        return await asyncio.to_thread(Leases(network, self._network(network)).known)
