"""The host's libvirt as one object of small verbs: what the agent's reconcilers act on.

Every verb is idempotent unless it says otherwise, takes libvirt's uuid of a guest (the machine's uid), and raises only
the taxonomy of `drover.errors` (`Unavailable` while libvirtd does not answer) or `HypervisorFault`, which is a bug.
Guests without a record of ours do not exist here: they are neither listed nor touched.

What it can do to guests stands in `host_guest`, to pools and volumes in `host_storage`, to networks in `host_network`;
encrypted volumes are in its `safe`, keys of Ceph in its `keyring`, and images taken from volumes in its `captures`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from drover.hypervisor import capture, disk, facts, hostdevice
from drover.hypervisor.connection import Callbacks, Connection
from drover.hypervisor.events import told
from drover.hypervisor.host_guest import CUTS, SAVES, Guests
from drover.hypervisor.host_network import Networks
from drover.hypervisor.host_storage import COPIES, Storage
from drover.hypervisor.keyring import Keyring
from drover.hypervisor.logs import Logs
from drover.hypervisor.safe import Safe
from drover.state.guest import GuestEvent
from drover.state.host import HostFacts
from drover.state.hostdevice import Claim

SPARE_THREADS = 4
"""Calls that are served while as many guests as may be are starting, being saved and being cut off."""
AGENT_THREADS = 4
FACTS_SECONDS = 30.0
"""How old what is known of the host may be when something is missing."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Where libvirt is and where the agent keeps what libvirt does not."""

    uri: str
    state_dir: Path
    """networks/ and logs/ below it are the host's."""
    boot_id: str
    starts: int
    """Guests that may be starting at once: the cores."""


class Host(Guests, Storage, Networks):
    """libvirt on this node; enter it to connect, and it stays connected until it is left."""

    def __init__(self, options: HostOptions) -> None:
        self.options = options
        self._folder = options.state_dir
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
