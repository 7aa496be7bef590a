"""Objects as users write them, made short: every builder gives a sound object, keywords replace fields of its spec."""

from typing import Any

Body = dict[str, Any]

ROOT: Body = {"name": "root", "image": "debian", "size": "10Gi"}
SUBNET: Body = {"name": "v4", "cidr": "10.20.0.0/24", "gateway": "10.20.0.1"}
HTTP: Body = {"type": "HTTP", "http": {"url": "http://images.example/disk.qcow2"}}


def body(kind: str, name: str, spec: Body) -> Body:
    """Write an object of ours; a field set to None is left out."""
    fields = {field: value for field, value in spec.items() if value is not None}
    return {"apiVersion": "drover.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": fields}


def vm(name: str = "web", **spec: Any) -> Body:
    """Write a machine with nothing but what is given."""
    return body("VirtualMachine", name, spec)


def image(name: str = "debian", **spec: Any) -> Body:
    """Write a disk image."""
    return body("VirtualMachineImage", name, {"type": "Disk", "source": HTTP} | spec)


def network(name: str = "shop", **subnet: Any) -> Body:
    """Write a NAT network; keywords replace fields of its subnet."""
    fields = {field: value for field, value in (SUBNET | subnet).items() if value is not None}
    return body("VirtualNetwork", name, {"type": "NAT", "subnets": [fields]})


def pool(name: str = "fast", **spec: Any) -> Body:
    """Write a pool in a directory."""
    return body("StoragePool", name, {"type": "Directory", "directory": {"path": "/var/lib/drover/fast"}} | spec)


def plugin(**fields: Any) -> Body:
    """Write a plugin; a field given as None is left out."""
    spec = {"version": "1", "template": {"cpu": {"cores": 1}}} | fields
    return body("Plugin", "nginx", {name: value for name, value in spec.items() if value is not None})


def volume(name: str = "data", **spec: Any) -> Body:
    """Write a blank volume."""
    return body("StorageVolume", name, {"size": "2Gi"} | spec)
