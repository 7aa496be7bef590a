"""Names, addresses and paths of one sandbox, all derived from its state directory and its slot.

The slot is a small integer that is unique on the machine; ``slot`` hands it out. Everything a sandbox leaves outside
its state directory (network namespaces, interfaces, control groups, addresses) carries the slot in its name, so two
sandboxes never meet and what a crashed one left can be recognised. Nothing here touches the world.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

SLOTS = 251
MAXIMUM_NODES = 8
REGISTRY = Path("/run/drover-sandbox")
DATA = Path(__file__).parent / "data"
CHECKOUT = Path(__file__).resolve().parents[3]
IMAGE_HOST = "images.drover.internal"
NAMESPACE = "drover-system"
SERVICES = IPv4Network("10.96.0.0/16")
API_SERVICE = SERVICES[1]
DNS_SERVICE = SERVICES[10]


@dataclass(frozen=True, slots=True)
class Node:
    """One emulated hypervisor host: its index (from 1) and what follows from it."""

    name: str
    index: int
    address: IPv4Address
    pods: IPv4Network
    netns: str
    cgroup: str
    port: str
    root: Path
    sockets: Path

    @property
    def run(self) -> Path:
        """The node's /run/libvirt as seen from outside, empty after every boot; ``sockets`` is a short link to it."""
        return self.root / "run"

    @property
    def libvirt_socket(self) -> Path:
        """Libvirtd's socket as seen from outside the node."""
        return self.sockets / "libvirt-sock"

    @property
    def libvirt_uri(self) -> str:
        """Connection URI of the node's libvirtd, usable from anywhere on the machine by root."""
        return f"qemu+unix:///system?socket={self.libvirt_socket}"

    @property
    def boot_id(self) -> Path:
        """File with the identity of the node's current boot, a UUID that is new after every power-on."""
        return self.root / "boot_id"

    @property
    def ready(self) -> Path:
        """File that exists once the node's pid 1 has made its mounts."""
        return self.run / "ready"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of one sandbox is: ``state`` is its absolute state directory, ``slot`` its number."""

    state: Path
    slot: int

    @property
    def mark(self) -> str:
        """Value of the environment variable by which processes of this sandbox are recognised."""
        return f"{self.slot}:{self.state}"

    @property
    def fabric(self) -> IPv4Network:
        """The network between the machine and the nodes, a /24."""
        return IPv4Network((f"10.213.{self.slot}.0", 24))

    @property
    def address(self) -> IPv4Address:
        """The machine's own address on the fabric: the API server and the image server listen there."""
        return self.fabric[254]

    @property
    def gateway(self) -> IPv4Interface:
        """The machine's address on the fabric with its prefix."""
        return IPv4Interface((self.address, self.fabric.prefixlen))

    @property
    def vm_network(self) -> IPv4Network:
        """CIDR for the virtual network ``default``: a /20 of its own per sandbox."""
        return IPv4Network((f"10.{224 + self.slot // 16}.{self.slot % 16 * 16}.0", 20))

    @property
    def pod_network(self) -> IPv4Network:
        """CIDR of all pods of real nodes, a /21: each node has a /24 of it."""
        return IPv4Network((f"10.{240 + self.slot // 32}.{self.slot % 32 * 8}.0", 21))

    def loopback(self, index: int = 1) -> IPv4Address:
        """Return a loopback address that only this sandbox uses, so that fixed ports never clash."""
        return IPv4Address(f"127.213.{self.slot}.{index}")

    @property
    def api_url(self) -> str:
        """URL of the API server, the same from the machine and from the nodes."""
        return f"https://{self.address}:6443"

    @property
    def etcd_url(self) -> str:
        """URL of etcd's client port."""
        return f"https://{self.loopback()}:2379"

    @property
    def prefix(self) -> str:
        """Start of every name outside the state directory, short enough for interface names."""
        return f"dvr{self.slot}"

    @property
    def uplink(self) -> str:
        """The machine's interface on the fabric."""
        return f"{self.prefix}r0"

    @property
    def switch(self) -> str:
        """Network namespace of the bridge that joins nodes and machine."""
        return f"{self.prefix}-sw"

    @property
    def short(self) -> Path:
        """Directory for sockets: socket paths are limited to 107 bytes, state directories are not."""
        return REGISTRY / str(self.slot)

    @property
    def control_socket(self) -> Path:
        """Where the supervisor takes orders."""
        return self.short / "supervisor.sock"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, self-contained."""
        return self.state / "kubeconfig"

    @property
    def kubectl(self) -> Path:
        """Kubectl that already knows this cluster."""
        return self.bin / "kubectl"

    @property
    def bin(self) -> Path:
        """Programs of the control plane, as links into the cache."""
        return self.state / "bin"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.state / "pki"

    @property
    def etc(self) -> Path:
        """Configuration files of the components."""
        return self.state / "etc"

    @property
    def logs(self) -> Path:
        """Log files, one a component, and the audit log."""
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """Process ids, one file a component."""
        return self.state / "run"

    @property
    def images(self) -> Path:
        """Directory that the image server serves; put files here to serve them too."""
        return self.state / "images"

    @property
    def image_url(self) -> str:
        """URL of the image directory as the nodes see it."""
        return f"http://{IMAGE_HOST}"

    def log(self, component: str) -> Path:
        """Return the log file of a component."""
        return self.logs / f"{component}.log"

    def node(self, index: int) -> Node:
        """Return the node of that index, counted from 1."""
        if not 1 <= index <= MAXIMUM_NODES:
            raise ValueError(f"node index {index} is not in 1..{MAXIMUM_NODES}")
        name = f"n{index}"
        own = f"{self.prefix}-{name}"
        return Node(
            name=name,
            index=index,
            address=self.fabric[index],
            pods=tuple(self.pod_network.subnets(new_prefix=24))[index - 1],
            netns=own,
            cgroup=own,
            port=f"p-{name}",
            root=self.state / "nodes" / name,
            sockets=self.short / name,
        )

    def nodes(self, count: int) -> tuple[Node, ...]:
        """Return the first ``count`` nodes."""
        return tuple(self.node(index) for index in range(1, count + 1))


def node_name(index: int) -> str:
    """Return the name of the node of that index, counted from 1."""
    return f"n{index}"
