"""What everything in the agent shares: one of it a process."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from drover.agent.chores import Chores
from drover.agent.gate import StartGate
from drover.agent.hostdevice import HostDevices
from drover.agent.image import Images
from drover.agent.keys import Keys
from drover.agent.memory import Memory
from drover.agent.orders import Orders
from drover.agent.probe import Prober
from drover.agent.seal import Sealer
from drover.agent.seed import Seeds
from drover.agent.shared import SharedThings
from drover.agent.survey import Survey
from drover.agent.wiring import Cabling
from drover.api.cloudinit import SecretKey
from drover.hypervisor.host import Host
from drover.hypervisor.wires import Wires
from drover.kube.client import Cluster
from drover.planning.restart import BackOff
from drover.state.resource import Key


@dataclass(frozen=True, slots=True)
class Identity:
    """Which node this is, and which boot of it."""

    name: str
    boot_id: str
    state_dir: Path
    address: str
    """Where other nodes reach it."""


@dataclass(frozen=True, slots=True)
class Node:
    """The node as the reconcilers use it."""

    identity: Identity
    back_off: BackOff
    cluster: Cluster
    host: Host
    orders: Orders
    memory: Memory
    images: Images
    seeds: Seeds
    keys: Keys
    gate: StartGate[Key]
    prober: Prober
    survey: Survey
    shared: SharedThings
    wires: Wires
    cabling: Cabling
    devices: HostDevices
    in_touch: Callable[[], bool]
    """Tells whether the API server has heard of this node so lately that nobody takes it for lost."""
    changed: Callable[[], None]
    """Tells that the Hypervisor may have something new to report."""
    pool_key: Callable[[str, SecretKey], Awaitable[bytes]]
    """Reads the key of a pool of Ceph; `NotReady` when it is missing, `Unavailable` when nobody answers."""
    chores: Chores = field(default_factory=Chores)
    sealer: Sealer = field(default_factory=Sealer)
