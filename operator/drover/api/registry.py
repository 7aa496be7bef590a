"""Which models belong to which kind, and what else its CRD says: short names, columns, selectable fields, root rules."""

from dataclasses import dataclass, field

from drover.api import (
    address,
    domain,
    hypervisor,
    image,
    kinds,
    network,
    plugin,
    pool,
    securitygroup,
    virtualmachine,
    volume,
)
from drover.api.base import Model, rule


@dataclass(frozen=True, slots=True)
class Column:
    """One column of ``kubectl get``."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False
    """Shown by ``-o wide`` only."""


@dataclass(frozen=True, slots=True)
class Definition:
    """All a CRD is rendered from."""

    kind: kinds.Kind
    description: str
    """One sentence: the kind's text in ``kubectl explain``."""
    spec: type[Model]
    status: type[Model]
    short: str
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()
    root_rules: tuple[dict[str, str], ...] = field(default=())
    """CEL on the whole object: names."""


READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
MESSAGE = Column("Message", '.status.conditions[?(@.type=="Ready")].message', wide=True)
"""Why it is not ready, or what it waits for."""
IN_USE = Column("In use", ".status.inUseCount", "integer")
AGE = Column("Age", ".metadata.creationTimestamp", "date")


def short_label(limit: int) -> dict[str, str]:
    """CEL: the object's name is a DNS label of at most `limit` characters."""
    return rule(
        f"self.metadata.name.size() <= {limit} && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        f"'metadata.name must be a DNS label of at most {limit} characters, not ' + self.metadata.name",
        dynamic=True,
        path=".metadata.name",
    )


DEFINITIONS = (
    Definition(
        kinds.VIRTUALMACHINE,
        "VirtualMachine is one machine: apply it and it runs, stays what the spec says, and tells the truth in its status.",
        virtualmachine.VirtualMachineSpec,
        virtualmachine.VirtualMachineStatus,
        "vm",
        (
            Column("Status", ".status.phase"),
            READY,
            Column("Node", ".status.nodeName"),
            Column("IP", ".status.addresses[0].ip"),
            Column("CPU", ".status.resolved.cores", "integer"),
            Column("Memory", ".status.resolved.memory"),
            Column("Plugin", ".spec.plugin", wide=True),
            Column("Restarts", ".status.restarts", "integer", wide=True),
            Column("Started", ".status.startTimeline.started", "date", wide=True),
            MESSAGE,
            AGE,
        ),
        selectable=(".status.nodeName", ".status.phase"),
        root_rules=(short_label(52),),
    ),
    Definition(
        kinds.DOMAIN,
        "Domain is internal: one incarnation of a VirtualMachine on one node, fully resolved. Written by Drover only.",
        domain.DomainSpec,
        domain.DomainStatus,
        "dom",
        (
            Column("State", ".status.state"),
            Column("Node", ".spec.nodeName"),
            Column("Machine", ".spec.virtualMachine.name"),
            Column("Reason", ".status.reason", wide=True),
            AGE,
        ),
        selectable=(".spec.nodeName",),
    ),
    Definition(
        kinds.PLUGIN,
        "Plugin is a packaged workload: values that machines which name it inherit.",
        plugin.PluginSpec,
        plugin.PluginStatus,
        "plugin",
        (
            Column("Version", ".spec.version"),
            READY,
            IN_USE,
            Column("Description", ".spec.description", wide=True),
            Column("Revision", ".status.revision", wide=True),
            MESSAGE,
            AGE,
        ),
        root_rules=(short_label(52),),
    ),
    Definition(
        kinds.IMAGE,
        "VirtualMachineImage is a disk or a kernel that machines start from.",
        image.VirtualMachineImageSpec,
        image.VirtualMachineImageStatus,
        "vmimage",
        (
            Column("Type", ".spec.type"),
            READY,
            Column("Size", ".status.virtualSize"),
            Column("Nodes", ".status.nodes", "integer"),
            IN_USE,
            Column("Arch", ".spec.architecture", wide=True),
            Column("OS", ".spec.os.name", wide=True),
            Column("Version", ".spec.os.version", wide=True),
            Column("Kept on", ".status.nodeName", wide=True),
            MESSAGE,
            AGE,
        ),
        selectable=(".status.nodeName",),
    ),
    Definition(
        kinds.VOLUME,
        "StorageVolume is one disk.",
        volume.StorageVolumeSpec,
        volume.StorageVolumeStatus,
        "vol",
        (
            Column("Status", ".status.phase"),
            READY,
            Column("Node", ".status.nodeName"),
            Column("Pool", ".status.pool"),
            Column("Capacity", ".status.capacity"),
            Column("Used by", ".status.usedBy"),
            Column("Allocated", ".status.allocated", wide=True),
            MESSAGE,
            AGE,
        ),
        selectable=(".status.nodeName",),
    ),
    Definition(
        kinds.POOL,
        "StoragePool says where volumes live on the nodes it selects.",
        pool.StoragePoolSpec,
        pool.StoragePoolStatus,
        "pool",
        (
            Column("Type", ".spec.type"),
            Column("Default", ".spec.default", "boolean"),
            READY,
            Column("Capacity", ".status.capacity"),
            Column("Allocated", ".status.allocated"),
            Column("Promised", ".status.promised"),
            Column("Volumes", ".status.inUseCount", "integer"),
            MESSAGE,
            AGE,
        ),
        root_rules=(short_label(52),),
    ),
    Definition(
        kinds.NETWORK,
        "VirtualNetwork is a layer-2 network with addresses.",
        network.VirtualNetworkSpec,
        network.VirtualNetworkStatus,
        "vnet",
        (
            Column("Type", ".spec.type"),
            Column("CIDR", ".spec.subnets[0].cidr"),
            Column("Default", ".spec.default", "boolean"),
            READY,
            Column("Addresses", ".status.capacity", "integer"),
            Column("Allocated", ".status.allocated", "integer"),
            Column("CIDR 2", ".spec.subnets[1].cidr", wide=True),
            MESSAGE,
            AGE,
        ),
        root_rules=(short_label(20),),
    ),
    Definition(
        kinds.ADDRESS,
        "NetworkAddress is one allocation of a network; creating it is the atomic allocation.",
        address.NetworkAddressSpec,
        address.NetworkAddressStatus,
        "netaddr",
        (
            Column("Network", ".spec.network"),
            Column("Address", ".spec.address"),
            Column("Namespace", ".spec.virtualMachine.namespace"),
            Column("Machine", ".spec.virtualMachine.name"),
            Column("Interface", ".spec.interface", wide=True),
            Column("MAC", ".spec.macAddress", wide=True),
            AGE,
        ),
    ),
    Definition(
        kinds.SECURITYGROUP,
        "SecurityGroup is a set of firewall rules for the interfaces that name it.",
        securitygroup.SecurityGroupSpec,
        securitygroup.SecurityGroupStatus,
        "sg",
        (READY, MESSAGE, AGE),
        root_rules=(
            short_label(52),
            rule(
                "!has(self.spec.rules) || self.spec.rules.all(each,"
                " !(has(each.from) && has(each.from.securityGroups) && self.metadata.name in each.from.securityGroups)"
                " && !(has(each.to) && has(each.to.securityGroups) && self.metadata.name in each.to.securityGroups))",
                "a SecurityGroup must not name itself: give its machines a second group and name that",
                path=".spec.rules",
            ),
        ),
    ),
    Definition(
        kinds.HYPERVISOR,
        "Hypervisor tells what one node can do and holds; its agent writes it.",
        hypervisor.HypervisorSpec,
        hypervisor.HypervisorStatus,
        "hv",
        (
            READY,
            Column("Accelerator", ".status.accelerator"),
            Column("Domains", ".status.domains", "integer"),
            Column("libvirt", ".status.libvirtVersion"),
            Column("QEMU", ".status.qemuVersion"),
            Column("Architecture", ".status.architecture", wide=True),
            Column("Cores", ".status.capacity.cores", "integer", wide=True),
            Column("Agent", ".status.agentVersion", wide=True),
            MESSAGE,
            AGE,
        ),
    ),
)
