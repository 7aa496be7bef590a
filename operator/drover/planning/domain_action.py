"""What an agent can do for one Domain: small orders, each idempotent, carried out in the order given."""

from dataclasses import dataclass

from drover.api.domain import DomainDisk, DomainInterface, DomainMedium, LiveMachine
from drover.api.hardware import DiskBounds
from drover.state.guest import Record


@dataclass(frozen=True, slots=True)
class TakeTurn:
    """Wait in line with the other guests that are to be started."""


@dataclass(frozen=True, slots=True)
class FetchImages:
    """Have every file that the disks and the kernel start from in the node's cache."""


@dataclass(frozen=True, slots=True)
class EnsurePool:
    """Have the pool usable."""

    pool: str


@dataclass(frozen=True, slots=True)
class EnsureVolume:
    """Have the disk's file, at least as large as asked; never make one anew whose data is lost."""

    disk: DomainDisk


@dataclass(frozen=True, slots=True)
class OpenVolume:
    """Object, before anything is begun with it, to an encrypted disk that its passphrase does not open."""

    disk: DomainDisk


@dataclass(frozen=True, slots=True)
class DropVolume:
    """Delete the file of a disk of which nothing is kept."""

    disk: DomainDisk


@dataclass(frozen=True, slots=True)
class CheckHost:
    """Object to what this node cannot give the guest."""


@dataclass(frozen=True, slots=True)
class EnsureNetwork:
    """Have the network up."""

    network: str


@dataclass(frozen=True, slots=True)
class WriteLease:
    """Reserve the interface's address for its hardware address, and answer its name."""

    interface: DomainInterface


@dataclass(frozen=True, slots=True)
class RemoveLease:
    """Forget the reservation of the interface, and take its filter down."""

    interface: DomainInterface


@dataclass(frozen=True, slots=True)
class SetInterfaces:
    """Have the packet filter of every interface, and, while the guest runs, its cable as ordered."""


@dataclass(frozen=True, slots=True)
class WriteSeed:
    """Have the disk from which the guest learns at its first boot."""


@dataclass(frozen=True, slots=True)
class Define:
    """Make libvirt know the guest, with this record, without starting it."""

    record: Record


@dataclass(frozen=True, slots=True)
class Launch:
    """Define the guest with this record and start it, in one go."""

    record: Record
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Restore:
    """Start the guest from its saved memory; when that cannot be read, keep it and write the problem down."""

    record: Record
    paused: bool = False


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """Replace the record that libvirt keeps with the guest."""

    record: Record


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop the guest's clock."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Let the guest run on."""


@dataclass(frozen=True, slots=True)
class RequestShutdown:
    """Ask the guest to switch itself off."""


@dataclass(frozen=True, slots=True)
class CutPower:
    """End QEMU at once."""


@dataclass(frozen=True, slots=True)
class Hibernate:
    """Save the guest's memory and end QEMU."""


@dataclass(frozen=True, slots=True)
class StopSaving:
    """Give up saving the guest's memory: it runs on."""


@dataclass(frozen=True, slots=True)
class DiscardSave:
    """Throw the saved memory away."""


@dataclass(frozen=True, slots=True)
class Undefine:
    """Make libvirt forget the guest, with its saved memory and its log."""


@dataclass(frozen=True, slots=True)
class HoldDomain:
    """Have the Domain wait for this agent when it is deleted."""


@dataclass(frozen=True, slots=True)
class ReleaseDomain:
    """Let the Domain go, once every volume with data here is bound to this node in the API."""

    orphaned: bool = False
    """Let it go as it is: the guest stays, and no Domain speaks for it."""


@dataclass(frozen=True, slots=True)
class SetCores:
    """Give a running guest so many cores."""

    cores: int


@dataclass(frozen=True, slots=True)
class SetMemory:
    """Have the balloon leave so many bytes to a running guest."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class AttachDisk:
    """Plug a disk into a running guest, under this name."""

    disk: DomainDisk
    device: str


@dataclass(frozen=True, slots=True)
class DetachDisk:
    """Take a disk from a running guest, and wait until it has let go of it."""

    name: str


@dataclass(frozen=True, slots=True)
class ResizeDisk:
    """Make a disk of a running guest larger."""

    disk: DomainDisk


@dataclass(frozen=True, slots=True)
class LimitDisk:
    """Bound the traffic of a disk of a running guest."""

    name: str
    bounds: DiskBounds


@dataclass(frozen=True, slots=True)
class SetMedium:
    """Have in a drive of a running guest what is ordered, or nothing."""

    medium: DomainMedium


@dataclass(frozen=True, slots=True)
class AttachInterface:
    """Plug an interface into a running guest, behind its packet filter."""

    interface: DomainInterface
    live: LiveMachine
    """What the guest has then."""


@dataclass(frozen=True, slots=True)
class DetachInterface:
    """Take an interface from a running guest, and wait until it has let go of it."""

    name: str
    network: str
    mac: str

    @property
    def interface(self) -> DomainInterface:
        """The interface, as far as it is known."""
        return DomainInterface(name=self.name, network=self.network, mac=self.mac)


DomainAction = (
    TakeTurn
    | CheckHost
    | FetchImages
    | EnsurePool
    | EnsureVolume
    | OpenVolume
    | EnsureNetwork
    | WriteLease
    | RemoveLease
    | SetInterfaces
    | WriteSeed
    | Define
    | Launch
    | Restore
    | WriteRecord
    | Pause
    | Resume
    | RequestShutdown
    | CutPower
    | Hibernate
    | StopSaving
    | DiscardSave
    | Undefine
    | SetCores
    | SetMemory
    | AttachDisk
    | DetachDisk
    | ResizeDisk
    | LimitDisk
    | SetMedium
    | AttachInterface
    | DetachInterface
    | DropVolume
    | HoldDomain
    | ReleaseDomain
)

VOLUMES = (
    FetchImages,
    EnsurePool,
    EnsureVolume,
    OpenVolume,
    WriteSeed,
    AttachDisk,
    ResizeDisk,
    LimitDisk,
    SetMedium,
    DropVolume,
)
NETWORK = (EnsureNetwork, WriteLease, SetInterfaces, AttachInterface)
"""What a guest does not let go of is none of either: all that the machine needs is there."""


def concern(action: DomainAction) -> str:
    """Name the condition that tells of trouble with the action."""
    if isinstance(action, VOLUMES):
        return "VolumesReady"
    return "NetworkReady" if isinstance(action, NETWORK) else "Running"
