"""Node objects: registered by the sandbox, kept alive by kwok while they carry the label it selects."""

from drover.sandbox.api import Api, Body
from drover.sandbox.layout import Node
from drover.sandbox.settings import Settings

KUBELET_LABEL = "drover.dev/fake-kubelet"
HYPERVISOR_LABEL = "drover.dev/hypervisor"


def body(node: Node) -> Body:
    """Return the Node object."""
    labels = {
        KUBELET_LABEL: "on",
        HYPERVISOR_LABEL: "true",
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name, "labels": labels}}


def status(node: Node, settings: Settings) -> Body:
    """Return the part of the status that a kubelet would know: what the node has and where it is."""
    capacity = {"cpu": settings.cpu, "memory": settings.memory, "pods": str(settings.pods)}
    addresses = [
        {"type": "InternalIP", "address": str(node.address)},
        {"type": "Hostname", "address": node.name},
    ]
    content = {"capacity": capacity, "allocatable": capacity, "addresses": addresses}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name}, "status": content}


async def register(api: Api, node: Node, settings: Settings) -> None:
    """Create the Node object, or bring it up to date."""
    await api.apply(_path(node), body(node))
    await api.apply(f"{_path(node)}/status", status(node, settings))


async def ready(api: Api, node: Node) -> bool:
    """Tell whether the node's kubelet reports it ready."""
    found = await api.get(_path(node))
    conditions = ((found or {}).get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


async def set_kubelet(api: Api, node: Node, *, alive: bool) -> None:
    """Let the node's kubelet live or die: without its Lease the node becomes NotReady within 5 s."""
    labels = {KUBELET_LABEL: "on" if alive else None}
    await api.merge(_path(node), {"metadata": {"labels": labels}})


def _path(node: Node) -> str:
    return f"/api/v1/nodes/{node.name}"
