"""How children are called: every name is a pure function of its owner, so that creating twice finds the first."""

import hashlib
from ipaddress import ip_address

FINALIZER_MACHINE = "drover.dev/machine"
"""On a VirtualMachine: the controller has children to clear away."""
FINALIZER_ANCHOR = "drover.dev/anchor"
"""On an anchor pod: the place is held until the guest is off."""
FINALIZER_AGENT = "drover.dev/agent"
"""On a Domain: the node's agent has a guest to clear away."""
FINALIZER_VOLUME = "drover.dev/volume"
"""On a StorageVolume: a node holds its data, or a Domain names it."""
FINALIZER_IMAGE = "drover.dev/image"
"""On a VirtualMachineImage that is captured: a node keeps its data."""
FINALIZER_PLUGIN = "drover.dev/plugin"
"""On a Plugin: machines use it."""

LABEL_PLUGIN = "drover.dev/plugin"
"""On a ControllerRevision: the Plugin whose revision it is."""
LABEL_MACHINE = "drover.dev/virtualmachine"
"""On pods, volumes and Domains of a machine; for people and selectors, never for ownership."""

LABEL_OVERLAY = "drover.dev/overlay"
"""On allocations of overlays: every node hears of them, for it answers the names of machines elsewhere."""

MANAGER_CONTROLLER = "drover-controller"
MANAGER_AGENT = "drover-agent"

DEFAULT_INTERFACE = "default"
"""Name of the interface of a machine that lists none."""


def domain(machine: str, epoch: int) -> str:
    """Name of the Domain of one incarnation: the lock."""
    return f"{machine}-{epoch}"


def volume(machine: str, disk: str) -> str:
    """Name of the volume of a machine's disk; neither part holds a dot, so no two pairs collide."""
    return f"{machine}.{disk}"


def anchor(machine: str, number: int) -> str:
    """Name of the number-th anchor pod of a machine; the dots keep it apart from the names people give pods."""
    return f"{machine}.anchor.{number}"


def budget(machine: str) -> str:
    """Name of the disruption budget of a machine that must not be evicted."""
    return f"{machine}.anchor"


def address(network: str, ip: str) -> str:
    """Name of the allocation of `ip`: IPv6 in full, separators as dashes."""
    return f"{network}-{ip_address(ip).exploded.replace('.', '-').replace(':', '-')}"


def hardware_address(network: str, mac: str) -> str:
    """Name of the reservation of a hardware address that a user chose."""
    return f"{network}-mac-{mac.replace(':', '-')}"


def mac(uid: str, interface: str, attempt: int = 0) -> str:
    """Hardware address derived from the machine and its interface: stable, local, unicast."""
    digest = hashlib.sha256(f"{uid}/{interface}/{attempt}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in b"\x02" + digest[:5])


def revision(plugin: str, content: bytes) -> str:
    """Name of the revision of a plugin that holds `content`."""
    return f"{plugin}-{hashlib.sha256(content).hexdigest()[:10]}"


def libvirt(namespace: str, machine: str) -> str:
    """Libvirt's name of a guest; for people: lookups go by uuid."""
    return f"{namespace}.{machine}"


def qualified(reference: str, namespace: str) -> str:
    """``namespace/name`` of a reference that may leave out its own namespace."""
    return reference if "/" in reference else f"{namespace}/{reference}"
