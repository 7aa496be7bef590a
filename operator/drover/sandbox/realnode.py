"""What makes a node a real one: containerd, kubelet and kube-proxy in it, a network for pods, and a name server."""

import asyncio
import os
from functools import partial
from pathlib import Path
from string import Template

from drover.sandbox import kubeconfig, node, registration, seed, supervise
from drover.sandbox.api import Api
from drover.sandbox.command import run
from drover.sandbox.component import Component
from drover.sandbox.layout import DATA, DNS_SERVICE, IMAGE_HOST, Layout, Node
from drover.sandbox.registration import HYPERVISOR_LABEL
from drover.sandbox.seed import Images

READY_DEADLINE = 60.0
SHARED = ("/etc", "/opt", "/var")
"""Directories that a real node shows as copies of its own, so no sandbox can be kept below them."""
BOOT_ID = "/run/drover-boot-id"
"""Where a node keeps the identity of its boot: what the kernel tells is that of the machine."""


def route_commands(layout: Layout, count: int) -> str:
    """Return the `ip` commands by which the machine finds the pods of its nodes."""
    nodes = layout.nodes(count)
    return "".join(f"route replace {item.pods} via {item.address} dev {layout.uplink}\n" for item in nodes)


async def open_routes(layout: Layout, count: int) -> None:
    """Let the machine, and with it the API server, reach pods."""
    await run("ip", "-batch", "-", text=route_commands(layout, count))


def furnish(layout: Layout, item: Node, pause: str) -> None:
    """Write what the node's programs read; ``pause`` is the reference of the image that holds a pod's namespaces."""
    etc = _etc(item)
    (etc / "cni").mkdir(parents=True, exist_ok=True)
    identity = node.host_uuid(layout, item).replace("-", "")
    (etc / "machine-id").write_text(f"{identity}\n")
    values = {
        "name": item.name,
        "pods": layout.pod_network,
        "dns": DNS_SERVICE,
        "authority": layout.pki / "ca.crt",
        "kubeconfig": kubeconfig.path(layout, "kube-proxy"),
        "programs": layout.bin,
        "etc": etc,
        "pause": pause,
    }
    for name in ("containerd.toml", "kubelet.yaml", "kube-proxy.yaml"):
        (etc / name).write_text(_filled(name, values))
    (etc / "cni" / "pods.conflist").write_text(_filled("pods.conflist", {**values, "pods": item.pods}))


def _etc(item: Node) -> Path:
    return item.root / "kubernetes"


def _filled(name: str, values: dict[str, object]) -> str:
    return Template((DATA / name).read_text()).substitute(values)


def names(item: Node) -> tuple[str, ...]:
    """Return the names of what a real node runs besides libvirtd."""
    return tuple(f"{program}-{item.name}" for program in ("containerd", "kubelet", "kube-proxy"))


def components(layout: Layout, item: Node) -> tuple[Component, ...]:
    """Return containerd, kubelet and kube-proxy of a node."""
    # What they call must be found first: the shim and the plugins of the sandbox, then the machine's own tools.
    environment = (("PATH", f"{layout.bin}:{os.environ.get('PATH', os.defpath)}"),)
    containerd, kubelet, proxy = names(item)
    return (
        node.inside(item, containerd, _containerd(layout, item), environment),
        node.inside(item, kubelet, _kubelet(layout, item), environment),
        node.inside(item, proxy, _proxy(layout, item), environment),
    )


def _containerd(layout: Layout, item: Node) -> tuple[str, ...]:
    return (str(layout.bin / "containerd"), "--config", str(_etc(item) / "containerd.toml"))


def _proxy(layout: Layout, item: Node) -> tuple[str, ...]:
    return (str(layout.bin / "kube-proxy"), f"--config={_etc(item) / 'kube-proxy.yaml'}")


def _kubelet(layout: Layout, item: Node) -> tuple[str, ...]:
    flags = {
        "config": _etc(item) / "kubelet.yaml",
        "kubeconfig": kubeconfig.path(layout, f"kubelet-{item.name}"),
        "hostname-override": item.name,
        "node-ip": item.address,
        "node-labels": f"{HYPERVISOR_LABEL}=true",
        "boot-id-file": BOOT_ID,
        "machine-id-file": _etc(item) / "machine-id",
    }
    words = (f"--{flag}={value}" for flag, value in flags.items())
    # Without containerd a kubelet ends at once, and would be started again later than need be.
    return ("bash", str(DATA / "node-await.sh"), seed.SOCKET, str(layout.bin / "kubelet"), *words)


async def raise_node(layout: Layout, item: Node, capabilities: Path, images: Images) -> None:
    """Power a node on, with containers and libvirtd; return when libvirtd answers."""
    await asyncio.to_thread(furnish, layout, item, images.pause)
    await supervise.keep(layout, components(layout, item))  # they wait for the node's power
    await node.raise_node(layout, item, capabilities, "Real")


async def ready(layout: Layout, api: Api, item: Node) -> None:
    """Wait until a node reports Ready."""
    await supervise.ready(layout, names(item)[1], partial(registration.ready, api, item), READY_DEADLINE)


def name_server(layout: Layout, image: str) -> str:
    """Return the manifests of the cluster's name server."""
    return _filled(
        "dns.yaml",
        {"image": image, "dns": DNS_SERVICE, "image_address": layout.address, "image_host": IMAGE_HOST},
    )


async def serve_names(layout: Layout, image: str) -> None:
    """Have the cluster's name server run."""
    text = name_server(layout, image)
    await run(layout.kubectl, "apply", "--server-side", "--force-conflicts", "-f", "-", text=text)
