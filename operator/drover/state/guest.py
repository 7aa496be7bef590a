"""A guest as libvirt has it, and the record that the agent keeps with it in libvirt's metadata."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from drover.api.domain import DomainSpec, DomainTimeline, LiveMachine
from drover.api.virtualmachine import LastStop
from drover.state.host import Ceph, HostFacts, Target

GuestState = Literal["Running", "Paused", "Off"]
"""Running counts a guest that is shutting down or asleep: QEMU is there and its clock may tick."""

GuestReason = Literal[
    "Unknown",
    "Booted",
    "Restored",
    "Resumed",
    "ShuttingDown",
    "Asleep",
    "User",
    "IOError",
    "Panicked",
    "Saving",
    "Migration",
    "Snapshot",
    "Starting",
    "Watchdog",
    "Shutdown",
    "Destroyed",
    "Crashed",
    "Failed",
    "Saved",
    "Daemon",
]
"""libvirt's reason for the state.

Off: Shutdown by the guest, Destroyed by somebody, Crashed (panic), Failed (QEMU died), Saved (managed save), Daemon
(libvirtd stopped it), Unknown (libvirtd started after it went off, or it never ran).
Paused: User, IOError (a disk is full), Panicked, and passing ones: Saving, Migration, Snapshot, Starting.
"""

GuestEventKind = Literal[
    "Defined",
    "Undefined",
    "Started",
    "Suspended",
    "Resumed",
    "Stopped",
    "Shutdown",
    "Panicked",
    "Rebooted",
    "DeviceRemoved",
    "BlockJob",
    "AgentConnected",
    "AgentDisconnected",
    "IOError",
    "Watchdog",
]


@dataclass(frozen=True, slots=True)
class GuestEvent:
    """Something libvirt told of a guest; a hint to look, never the truth itself."""

    uuid: str
    kind: GuestEventKind
    detail: str
    """libvirt's reason, device or action; empty when there is none."""
    at: float
    """Seconds since the epoch when it arrived."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """A stop that the agent asked for, noted before the guest was asked."""

    reason: Literal["Requested", "Evicted", "OutOfSpace"]
    actor: str
    since: str
    """RFC 3339."""


@dataclass(frozen=True, slots=True)
class Record:
    """What must survive the agent, kept inside libvirt with the guest; times are RFC 3339."""

    namespace: str
    machine: str
    uid: str
    """uid of the VirtualMachine; libvirt's uuid of the guest is that of the first one, should it have been adopted."""
    domain: str
    """Name of the Domain object it was defined for."""
    epoch: int
    boot_id: str = ""
    """Boot of the node at the latest start; empty before the first."""
    handled_restart: str | None = None
    handled_start: str | None = None
    restarts: int = 0
    """Starts after it stopped by itself."""
    failures: int = 0
    """Stops in a row without a long run between them: the step of the back-off."""
    last_start: str | None = None
    next_restart: str | None = None
    resting: bool = False
    """It stopped by itself and its restart policy leaves it so."""
    stopping: Stopping | None = None
    last_stop: LastStop | None = None
    live: LiveMachine | None = None
    """What the latest start gave it."""
    timeline: DomainTimeline | None = None
    panicked: bool = False
    """Its kernel reported a panic since the latest start."""
    problem: str = ""
    """Reason of a failure that rests until asked otherwise, such as ResumeFailed."""
    machine_type: str = ""
    """Board that the first start on this node chose; empty before."""
    architecture: str = ""
    """amd64 or arm64, as it was started; empty before."""


@dataclass(frozen=True, slots=True)
class Guest:
    """One guest of ours that libvirt knows."""

    uuid: str
    name: str
    state: GuestState
    reason: GuestReason
    persistent: bool
    """False when somebody undefined it while it runs: it vanishes when it stops."""
    has_managed_save: bool
    record: Record

    @property
    def active(self) -> bool:
        """Whether there is a QEMU process."""
        return self.state != "Off"


@dataclass(frozen=True, slots=True)
class Kernel:
    """Files of a direct boot on the node."""

    kernel: PurePosixPath
    initrd: PurePosixPath | None
    arguments: str


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A device of the node whose every byte is the guest's."""

    device: PurePosixPath


@dataclass(frozen=True, slots=True)
class Unit:
    """A LUN of a target, which QEMU reaches by itself."""

    target: Target
    lun: int


@dataclass(frozen=True, slots=True)
class BlockImage:
    """An image of a pool of Ceph, which QEMU reaches by itself."""

    ceph: Ceph
    name: str


Place = PurePosixPath | BlockDevice | Unit | BlockImage
"""Where a disk's data is: a path is that of a qcow2 file."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where on the node the parts of a guest are."""

    disks: tuple[Place, ...]
    """In the order of the spec's disks."""
    log: PurePosixPath
    """Serial output."""
    media: tuple[PurePosixPath | None, ...] = ()
    """What is in the drives, in the order of the spec's."""
    kernel: Kernel | None = None
    seed: PurePosixPath | None = None
    """Disk that cloud-init reads."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything a guest's XML is made from."""

    namespace: str
    spec: DomainSpec
    files: Files
    host: HostFacts
    record: Record
    devices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Devices of the node: the machine's name of each, and the addresses of what it gets with it."""
