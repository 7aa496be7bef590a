"""What an agent can do for one Domain: small orders, each idempotent, carried out in the order given."""

from dataclasses import dataclass

from drover.api.domain import DomainDisk, DomainInterface
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
class GrowDisk:
    """Make a disk of the guest in flight larger, so that the guest sees it."""

    disk: DomainDisk


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


DomainAction = (
    TakeTurn
    | FetchImages
    | EnsurePool
    | EnsureVolume
    | GrowDisk
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
    | DiscardSave
    | Undefine
    | HoldDomain
    | ReleaseDomain
)

VOLUMES = (FetchImages, EnsurePool, EnsureVolume, GrowDisk, WriteSeed)
NETWORK = (EnsureNetwork, WriteLease, SetInterfaces)


def concern(action: DomainAction) -> str:
    """Name the condition that tells of trouble with the action."""
    if isinstance(action, VOLUMES):
        return "VolumesReady"
    return "NetworkReady" if isinstance(action, NETWORK) else "Running"
