"""Emulated hypervisor hosts: network, mount, pid, uts and control-group namespaces, each with its own libvirtd."""

import asyncio
import shutil
from ipaddress import IPv4Interface
from pathlib import Path

from drover.errors import OperatorError
from drover.sandbox import supervise
from drover.sandbox.command import run
from drover.sandbox.component import Component
from drover.sandbox.layout import DATA, IMAGE_HOST, MAXIMUM_NODES, Layout, Node
from drover.sandbox.settings import Kubelet

READY_DEADLINE = 40.0
FOLDERS = ("run", "etc", "log", "cache", "drover", "localca", "lib/images", "lib/boot", "lib/qemu", "lib/dnsmasq")
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "blkio")
NWFILTERS = Path("/etc/libvirt/nwfilter")
QEMU_CONFIGURATION = """\
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
stdio_handler = "file"
swtpm_user = "root"
swtpm_group = "root"
cgroup_controllers = [ {controllers} ]
"""
LIBVIRTD_CONFIGURATION = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
listen_tls = 0
listen_tcp = 0
host_uuid = "{uuid}"
log_outputs = "3:stderr"
"""


def fabric_commands(layout: Layout) -> tuple[str, ...]:
    """Return the `ip` commands that make the switch and plug the machine into it."""
    return (
        f"netns add {layout.switch}",
        f"link add {layout.uplink} type veth peer name uplink netns {layout.switch}",
        f"address add {layout.gateway} dev {layout.uplink}",
        f"link set {layout.uplink} up",
    )


async def raise_fabric(layout: Layout) -> None:
    """Make the network between the machine and the nodes, unless it stands already."""
    if Path("/sys/class/net", layout.uplink).exists():
        return
    await run("ip", "-batch", "-", text="\n".join(fabric_commands(layout)))
    inside = ("link add br0 type bridge stp_state 0", "link set br0 up", "link set uplink master br0 up")
    await run("ip", "-n", layout.switch, "-batch", "-", text="\n".join(inside))


def hosts_file(layout: Layout, node: Node) -> str:
    """Return the node's /etc/hosts: itself, every node, the image server."""
    others = [f"{other.address} {other.name}" for other in layout.nodes(MAXIMUM_NODES)]
    lines = ["127.0.0.1 localhost", f"{node.address} {node.name}", *others, f"{layout.address} {IMAGE_HOST}"]
    return "\n".join(lines) + "\n"


def pod_routes(layout: Layout, node: Node) -> str:
    """Return the `ip` commands by which a node finds the pods of all others."""
    others = (other for other in layout.nodes(MAXIMUM_NODES) if other != node)
    return "".join(f"route add {other.pods} via {other.address}\n" for other in others)


def host_uuid(layout: Layout, node: Node) -> str:
    """Return the node's host UUID: migration refuses two hosts of one UUID."""
    return f"00000000-0000-4000-8000-{layout.slot:04x}{node.index:08x}"


def furnish(layout: Layout, node: Node, capabilities: Path) -> None:
    """Write the node's directory: what its mount namespace shows instead of the machine's own files.

    ``capabilities`` holds QEMU's capabilities as probed by an earlier node; with them libvirtd starts 1.5 s faster.
    """
    for name in (
        "run",
        "etc",
        "log",
        "cache",
        "drover",
        "lib/images",
        "lib/boot",
        "lib/qemu",
        "lib/dnsmasq",
        "localca",
    ):
        (node.root / name).mkdir(parents=True, exist_ok=True)
    (node.root / "hosts").write_text(hosts_file(layout, node))
    (node.root / "resolv.conf").write_text("")
    (node.root / "routes").write_text(pod_routes(layout, node))
    (node.root / "etc" / "libvirtd.conf").write_text(LIBVIRTD_CONFIGURATION.format(uuid=host_uuid(layout, node)))
    controllers = ", ".join(f'"{name}"' for name in usable_controllers())
    (node.root / "etc" / "qemu.conf").write_text(QEMU_CONFIGURATION.format(controllers=controllers))
    (node.root / "etc" / "network.conf").write_text('firewall_backend = "iptables"\n')
    for source, target in ((NWFILTERS, "etc/nwfilter"), (capabilities, "cache/qemu/capabilities")):
        if source.is_dir() and not (node.root / target).exists():
            shutil.copytree(source, node.root / target)
    node.sockets.parent.mkdir(parents=True, exist_ok=True)
    node.sockets.unlink(missing_ok=True)
    node.sockets.symlink_to(node.run)


def usable_controllers() -> tuple[str, ...]:
    """Return the version 1 control-group hierarchies of this machine that libvirt can use, none under version 2."""
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.controllers").exists():
        return ()
    return tuple(name for name in CONTROLLERS if (top / name / "cgroup.procs").exists())


def components(layout: Layout, node: Node, kubelet: Kubelet = "Kwok") -> tuple[Component, ...]:
    """Return the node itself and its libvirtd."""
    address = IPv4Interface((node.address, layout.fabric.prefixlen))
    own = (node.name, node.root, node.netns, node.cgroup)
    boot = (*own, layout.switch, node.port, address, layout.address, kubelet)
    off = (node.netns, node.cgroup, layout.switch, node.port)
    host = Component(
        name=node.name,
        command=("bash", str(DATA / "node-boot.sh"), *map(str, boot)),
        host=True,
        grace=0.0,
        ready_file=str(node.ready),
        cleanup=("bash", str(DATA / "node-off.sh"), *off),
    )
    return host, inside(node, f"libvirtd-{node.name}", ("libvirtd",))


def inside(node: Node, name: str, command: tuple[str, ...], environment: tuple[tuple[str, str], ...] = ()) -> Component:
    """Return a component that runs in a node."""
    return Component(name=name, command=command, environment=environment, node=node.name, cgroup=node.cgroup)


async def raise_node(layout: Layout, node: Node, capabilities: Path, kubelet: Kubelet = "Kwok") -> None:
    """Power a node on and wait until its libvirtd answers."""
    await asyncio.to_thread(furnish, layout, node, capabilities)
    await supervise.keep(layout, components(layout, node, kubelet))
    await supervise.ready(layout, f"libvirtd-{node.name}", lambda: answers(node), READY_DEADLINE)
    await asyncio.to_thread(remember_capabilities, node, capabilities)


async def answers(node: Node) -> bool:
    """Tell whether the node's libvirtd answers; the first answer waits for its probe of QEMU."""
    if not node.libvirt_socket.exists():
        return False
    try:
        await run("virsh", "--quiet", "--connect", node.libvirt_uri, "version")
    except OperatorError:
        return False
    return True


def remember_capabilities(node: Node, capabilities: Path) -> None:
    """Keep what libvirtd found out about QEMU; libvirt itself notices when it is outdated."""
    found = node.root / "cache" / "qemu" / "capabilities"
    if found.is_dir():
        shutil.copytree(found, capabilities, dirs_exist_ok=True)


async def set_link(layout: Layout, node: Node, *, up: bool) -> None:
    """Plug the node into the fabric, or cut it off."""
    await run("ip", "-n", layout.switch, "link", "set", node.port, "up" if up else "down")
