"""Builders of what the controller finds: machines, their children, what their specs refer to."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drover.api.address import NetworkAddressSpec, NetworkAddressStatus
from drover.api.domain import DomainSpec, DomainStatus
from drover.api.hypervisor import HypervisorSpec, HypervisorStatus
from drover.api.image import VirtualMachineImageSpec, VirtualMachineImageStatus
from drover.api.network import VirtualNetworkSpec, VirtualNetworkStatus
from drover.api.plugin import PluginSpec, PluginStatus
from drover.api.pool import StoragePoolSpec, StoragePoolStatus
from drover.api.securitygroup import SecurityGroupSpec, SecurityGroupStatus
from drover.api.virtualmachine import VirtualMachineSpec, VirtualMachineStatus
from drover.api.volume import StorageVolumeSpec, StorageVolumeStatus
from drover.planning import names
from drover.planning.catalog import Catalog
from drover.planning.found import Found
from drover.planning.node import Lost
from drover.planning.plugin import present, revision_name
from drover.planning.resolve import Policy
from drover.planning.view import (
    AddressView,
    DomainView,
    HypervisorView,
    ImageView,
    MachineView,
    NetworkView,
    PluginView,
    PoolView,
    SecurityGroupView,
    View,
    VolumeView,
)
from drover.state.pod import Pod
from drover.state.resource import Key, Meta, pack_model
from drover.state.revision import Revision

NOW = "2026-11-21T12:00:00Z"
SHOP = "shop"
UID = "uid-web"
POLICY = Policy(anchor_image="anchor:1")
SUBNET = {"name": "v4", "cidr": "10.20.0.0/29", "gateway": "10.20.0.1"}
URL = "http://images.example/disk.qcow2"
KERNEL_URL = "http://images.example/vmlinuz"
INITRD_URL = "http://images.example/initrd"
MAC = "02:00:00:00:00:01"
SILENT = {"n1": Lost("uid-n1", fenced=False)}
"""n1 gives no sign of life."""
FENCED = {"n1": Lost("uid-n1", fenced=True)}
"""Somebody says that it is off, too."""
GONE = {"n1": Lost("", fenced=True)}
"""Its Node object was removed."""


def make_meta(name: str, namespace: str = SHOP, **changes: Any) -> Meta:
    """Metadata of an object that is wanted and belongs to nobody."""
    base = Meta(
        key=Key(namespace, name),
        uid=f"uid-{name}",
        resource_version="7",
        generation=1,
        created="2026-11-21T11:00:00Z",
        deleting="",
        finalizers=(),
        owner="",
        labels=(),
        annotations=(),
        manager="kubectl",
    )
    return replace(base, **changes)


def notes(**annotations: str) -> tuple[tuple[str, str], ...]:
    """Annotations of ours; underscores stand for dashes."""
    return tuple(sorted((f"drover.dev/{name.replace('_', '-')}", value) for name, value in annotations.items()))


def http(url: str) -> Mapping[str, Any]:
    """Write a source on a web server."""
    return {"type": "HTTP", "http": {"url": url}}


def make_machine(meta: Mapping[str, Any] | None = None, status: Any = None, **spec: Any) -> MachineView:
    """A machine that carries our finalizer; without interfaces unless told otherwise."""
    changes = {"finalizers": (names.FINALIZER_MACHINE,)} | dict(meta or {})
    content = {"interfaces": []} | spec
    return View(
        make_meta("web", **changes),
        VirtualMachineSpec.model_validate({name: value for name, value in content.items() if value is not ...}),
        VirtualMachineStatus.model_validate(status or {}),
    )


def make_domain(meta: Mapping[str, Any] | None = None, status: Any = None, **spec: Any) -> DomainView:
    """The first incarnation of the machine on n1, as its agent last reported it: running, unless told otherwise."""
    changes = {"owner": UID, "finalizers": (names.FINALIZER_AGENT,), "manager": ""} | dict(meta or {})
    content = {
        "nodeName": "n1",
        "virtualMachine": {"name": "web", "uid": UID},
        "uuid": UID,
        "epoch": 1,
        "powerState": "Running",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 60,
        "actor": "kubectl",
        "machine": {"cores": 1, "memoryBytes": 512 << 20},
    } | spec
    told = {"observedGeneration": 1, "state": "Running", "reason": "Running"} | dict(status or {})
    return View(
        make_meta(f"web-{content['epoch']}", **changes),
        DomainSpec.model_validate(content),
        DomainStatus.model_validate(told),
    )


def make_off(meta: Mapping[str, Any] | None = None, power: str = "Stopped", **status: Any) -> DomainView:
    """An incarnation whose guest is off because the spec asked for it."""
    return make_domain(meta, {"state": power, "reason": "Requested", **status}, powerState=power)


def make_pod(number: int = 1, node: str = "n1", meta: Mapping[str, Any] | None = None, **changes: Any) -> Pod:
    """An anchor that holds a place."""
    marks = {
        "owner": UID,
        "finalizers": (names.FINALIZER_ANCHOR,),
        "annotations": notes(machine_uid=UID),
        "labels": ((names.LABEL_MACHINE, "web"),),
    }
    base = Pod(
        meta=make_meta(f"web.anchor.{number}", **(marks | dict(meta or {}))),
        node=node,
        phase="Running" if node else "Pending",
        scheduled="True" if node else "",
        reason="",
        message="",
        scheduled_at="2026-11-21T11:00:01Z" if node else "",
        grace=None,
    )
    return replace(base, **changes)


def make_volume(
    name: str = "web.root", meta: Mapping[str, Any] | None = None, status: Any = None, **spec: Any
) -> VolumeView:
    """A volume that was made for the machine, without data yet."""
    marks = {"owner": UID, "finalizers": (names.FINALIZER_VOLUME,), "annotations": notes(machine_uid=UID)}
    content = {"pool": "default", "size": "1Gi"} | spec
    return View(
        make_meta(name, **(marks | dict(meta or {}))),
        StorageVolumeSpec.model_validate(content),
        StorageVolumeStatus.model_validate(status or {}),
    )


def make_address(
    ip: str | None = "10.20.0.2", uid: str = UID, meta: Mapping[str, Any] | None = None, **spec: Any
) -> AddressView:
    """The allocation of an address to the machine's interface "lan"."""
    content = {
        "network": "default",
        "address": ip,
        "macAddress": MAC,
        "virtualMachine": {"namespace": SHOP, "name": "web", "uid": uid},
        "interface": "lan",
    } | spec
    name = names.address("default", ip) if ip else names.hardware_address("default", content["macAddress"])
    return View(
        make_meta(name, namespace="", **dict(meta or {})),
        NetworkAddressSpec.model_validate(content),
        NetworkAddressStatus(),
    )


def make_image(name: str = "debian", namespace: str = SHOP, status: Any = None, **spec: Any) -> ImageView:
    """A disk image that only its own namespace may use."""
    content = {"type": "Disk", "source": http(URL)} | spec
    return View(
        make_meta(name, namespace),
        VirtualMachineImageSpec.model_validate({field: value for field, value in content.items() if value}),
        VirtualMachineImageStatus.model_validate(status or {}),
    )


def make_plugin(meta: Mapping[str, Any] | None = None, status: Any = None, **spec: Any) -> PluginView:
    """A plugin that everybody may use, whose present revision is written down."""
    marks = {"finalizers": (names.FINALIZER_PLUGIN,)} | dict(meta or {})
    content = {"allowedNamespaces": {"from": "All"}, "template": {"cpu": {"cores": 2}}} | spec
    parsed = PluginSpec.model_validate(content)
    found = View(make_meta("nginx", "library", **marks), parsed, PluginStatus())
    told = {"revision": revision_name(found)} if status is None else status
    return replace(found, status=PluginStatus.model_validate(told))


def make_revision(plugin: PluginView, number: int = 1, name: str = "") -> Revision:
    """What a plugin is now, written down."""
    meta = make_meta(name or revision_name(plugin), "library", owner=plugin.meta.uid)
    return Revision(meta, number, pack_model(present(plugin)))


def make_kernel(name: str = "tiny", **kernel: Any) -> ImageView:
    """A kernel image."""
    content = {"source": http(KERNEL_URL), "initrd": {"source": http(INITRD_URL)}} | kernel
    return make_image(name, type="Kernel", source=None, kernel=content)


def make_pool(
    name: str = "default", meta: Mapping[str, Any] | None = None, status: Any = None, **spec: Any
) -> PoolView:
    """The default pool."""
    content = {"type": "Directory", "directory": {"path": "/pool"}, "default": True} | spec
    return View(
        make_meta(name, namespace="", **dict(meta or {})),
        StoragePoolSpec.model_validate(content),
        StoragePoolStatus.model_validate(status or {}),
    )


def make_network(
    name: str = "default", subnet: Mapping[str, Any] | None = None, status: Any = None, **spec: Any
) -> NetworkView:
    """The default network, with room for five."""
    content = {"type": "NAT", "default": True, "subnets": [SUBNET | dict(subnet or {})]} | spec
    return View(
        make_meta(name, namespace=""),
        VirtualNetworkSpec.model_validate(content),
        VirtualNetworkStatus.model_validate(status or {}),
    )


def make_group(name: str = "web", status: Any = None, meta: Any = None, **spec: Any) -> SecurityGroupView:
    """A security group, without rules."""
    return View(
        make_meta(name, **(meta or {})),
        SecurityGroupSpec.model_validate(spec),
        SecurityGroupStatus.model_validate(status or {}),
    )


def make_hypervisor(name: str = "n1", **status: Any) -> HypervisorView:
    """A node and what it reports."""
    return View(make_meta(name, namespace=""), HypervisorSpec(), HypervisorStatus.model_validate(status))


def make_catalog(**changes: Any) -> Catalog:
    """The default pool and network, and an image of each type."""
    base = Catalog(
        namespace=SHOP,
        images={"shop/debian": make_image(), "shop/tiny": make_kernel()},
        pools={"default": make_pool()},
        networks={"default": make_network()},
        default_pool="default",
        default_network="default",
    )
    return replace(base, **changes)


def make_found(machine: MachineView | None = None, catalog: Catalog | None = None, **changes: Any) -> Found:
    """A machine and nothing of it yet; children that are given are put in their places."""
    base = Found(machine=machine or make_machine(), catalog=catalog or make_catalog(), policy=POLICY)
    return replace(base, **changes)
