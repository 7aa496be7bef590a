"""A node as it is found before it becomes a host of guests: the kernel, libvirt, the disk, the clock."""

from dataclasses import dataclass
from typing import Literal

from drover.state.host import HostFacts

CgroupVersion = Literal[0, 1, 2]


@dataclass(frozen=True, slots=True)
class Storage:
    """The file system that holds the agent's state."""

    path: str
    kind: str
    """As the kernel calls it: ext4, xfs, tmpfs …; empty when it could not be told."""
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Everything that was found; what could not be looked at from here is ``None``."""

    libvirt_trouble: str = ""
    """Why libvirt does not answer, in its words; empty when it does."""
    host: HostFacts | None = None
    """What libvirt says of the node."""
    host_trouble: str = ""
    """Why libvirt could not say it."""
    cgroup_version: CgroupVersion = 0
    """0 when none was found."""
    cgroup_controllers: frozenset[str] = frozenset()
    kvm_device: bool | None = None
    """Whether the device of the kernel's hypervisor is there."""
    processor: Literal["Intel", "AMD", "Other"] = "Other"
    virtualization: bool | None = None
    """Whether the processors show the extension for it."""
    nested: bool | None = None
    """Whether guests may themselves have guests."""
    dnsmasq: bool | None = None
    bridges: bool | None = None
    """Whether the kernel can make bridges."""
    netfilter: bool | None = None
    """Whether the kernel can translate addresses."""
    storage: Storage | None = None
    clock_ahead_seconds: float | None = None
    """How far the node's clock is before the API server's; ``None`` when that did not answer."""
    clock_trouble: str = ""
    """Why it did not."""
