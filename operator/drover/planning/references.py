"""Accepted: whether everything the spec refers to is there and may be used by the machine's namespace."""

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from drover.api.hardware import Machine
from drover.api.image import VirtualMachineImageSpec
from drover.api.sharing import AllowedNamespaces
from drover.planning import hardware, quantity, seed
from drover.planning.address import FAMILIES, family_of, number, windows
from drover.planning.catalog import Catalog
from drover.planning.conditions import Finding, find
from drover.planning.pool import lun
from drover.planning.resolve import Effective, EffectiveDisk, EffectiveInterface
from drover.planning.view import AddressView, ImageView, NetworkView, PoolView

DEVICE_POOLS = ("LVM", "ISCSI", "RBD", "ZFS")
"""Types whose volumes are no files of ours."""
Problem = tuple[str, str]
"""Reason and message."""


def accepted(effective: Effective, catalog: Catalog) -> Finding:
    """Find out whether the machine can be made as its spec stands; the first problem is the reason, all are named."""
    problems = [
        *_spec(effective),
        *(("InvalidSpec", words) for words in hardware.problems(effective.machine, effective.media)),
        *_disks(effective, catalog),
        *_media(effective, catalog),
        *_kernel(effective, catalog),
        *_needs(effective, catalog),
        *_interfaces(effective, catalog),
    ]
    if not problems:
        return Finding("Accepted", "True", "Accepted")
    return Finding("Accepted", "False", problems[0][0], "; ".join(message for _, message in problems))


def allows(image: ImageView, namespace: str, labels: Mapping[str, str]) -> bool:
    """Tell whether machines of a namespace with these labels may use an image."""
    return shares(image.meta.key.namespace, image.spec.allowed_namespaces, namespace, labels)


def shares(owner: str, sharing: AllowedNamespaces | None, namespace: str, labels: Mapping[str, str]) -> bool:
    """Tell whether what is in namespace `owner` is shared with a namespace that has these labels."""
    if namespace == owner or (sharing and sharing.from_ == "All"):
        return True
    return sharing is not None and sharing.from_ == "Selector" and selects(sharing.selector or {}, labels)


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a Kubernetes label selector matches; an empty one matches everything."""
    exact = all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items())
    return exact and all(_matches(each, labels) for each in selector.get("matchExpressions") or ())


OPERATORS: Mapping[str, Callable[[str | None, Container[object]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, _: value is not None,
    "DoesNotExist": lambda value, _: value is None,
}


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    operator = OPERATORS.get(str(expression.get("operator")))
    value = labels.get(str(expression.get("key")))
    return operator is not None and operator(value, expression.get("values") or ())


def _spec(effective: Effective) -> Iterator[Problem]:
    for gap in effective.gaps:
        yield "InvalidSpec", gap
    for fault in seed.faults(effective.seed):
        yield "InvalidCloudInit", fault


def _disks(effective: Effective, catalog: Catalog) -> Iterator[Problem]:
    owners = {disk.volume: disk.name for disk in reversed(effective.disks)}
    for disk in effective.disks:
        if (other := owners[disk.volume]) != disk.name:
            yield "InvalidSpec", f"disk {disk.name}: StorageVolume {disk.volume} is that of disk {other} already"
        yield from _volume(disk, catalog)
        yield from _pool(disk, catalog)
        # The data of a volume that a node holds needs its image no more.
        if disk.image and not _has_data(disk, catalog):
            yield from _image(f"disk {disk.name}", disk.image, catalog, "Disk")


def _media(effective: Effective, catalog: Catalog) -> Iterator[Problem]:
    for medium in effective.media:
        if medium.image:
            yield from _image(f"disk {medium.name}", medium.image, catalog, "ISO")


def _volume(disk: EffectiveDisk, catalog: Catalog) -> Iterator[Problem]:
    volume = catalog.volumes.get(disk.volume)
    if not disk.own and volume is None:
        yield "VolumeNotFound", f"disk {disk.name}: there is no StorageVolume {disk.volume} in this namespace"
    if disk.hardware.ephemeral == "Enabled" and (not disk.own or disk.clone or disk.retain):
        words = "volume, from and reclaimPolicy Retain are not allowed with ephemeral: nothing of it is kept"
        yield "InvalidSpec", f"disk {disk.name}: {words}"
    if disk.wanted_key and disk.wanted_key != disk.key:
        yield "EncryptionDiffers", f"disk {disk.name}: {_encrypted_otherwise(disk)}"
    if disk.clone and not (volume and volume.status.node_name):
        yield from _origin(disk, catalog)


def _encrypted_otherwise(disk: EffectiveDisk) -> str:
    present = f"has Secret {disk.key.name}, key {disk.key.key}" if disk.key else "is not encrypted"
    return (
        f"StorageVolume {disk.volume} was there before it and {present}; an entry of another name makes one as it says"
    )


def _origin(disk: EffectiveDisk, catalog: Catalog) -> Iterator[Problem]:
    origin = catalog.volumes.get(disk.clone)
    if disk.clone == disk.volume or origin is None:
        yield (
            "VolumeNotFound",
            f"disk {disk.name}: there is no StorageVolume {disk.clone} to be copied in this namespace",
        )
    elif origin.spec.source and origin.spec.source.type == "Existing":
        yield "SourceUnsupported", f"disk {disk.name}: {disk.clone} is a LUN, of which no copies can be made"
    elif origin.spec.encryption:
        yield "SourceEncrypted", f"disk {disk.name}: {disk.clone} is encrypted, and encrypted volumes are not copied"
    elif disk.size is not None and origin.status.capacity and disk.size < quantity.whole(origin.status.capacity):
        size = quantity.binary(disk.size)
        words = f"size {size} is less than {origin.status.capacity} of {disk.clone}, of which it is to be a copy"
        yield "DiskSmallerThanSource", f"disk {disk.name}: {words}"


def _pool(disk: EffectiveDisk, catalog: Catalog) -> Iterator[Problem]:
    if not disk.own and disk.volume not in catalog.volumes:
        return
    if not disk.pool:
        yield "NoDefaultPool", f"disk {disk.name} names no pool, and no StoragePool is marked as default"
    elif disk.pool not in catalog.pools:
        yield "PoolNotFound", f"disk {disk.name}: there is no StoragePool {disk.pool}"
    elif disk.key and catalog.pools[disk.pool].spec.type in DEVICE_POOLS:
        kind = catalog.pools[disk.pool].spec.type
        yield "EncryptionUnsupported", f"disk {disk.name}: {disk.pool} is of type {kind}, and only files are encrypted"
    else:
        yield from _unit(disk, catalog.pools[disk.pool], catalog)


def _unit(disk: EffectiveDisk, pool: PoolView, catalog: Catalog) -> Iterator[Problem]:
    """Hold LUNs and volumes whose source is Existing together: neither goes with anything else."""
    volume, name = catalog.volumes.get(disk.volume), pool.meta.key.name
    exists = volume is not None and volume.spec.source is not None and volume.spec.source.type == "Existing"
    if exists and pool.spec.type != "ISCSI":
        words = f"source Existing of volume {disk.volume} goes with pools of type ISCSI; {name} is of {pool.spec.type}"
        yield "SourceUnsupported", f"disk {disk.name}: {words}"
    elif pool.spec.type == "ISCSI" and not exists:
        words = f"in pool {name} of type ISCSI nothing is made: name a StorageVolume whose source is Existing"
        yield "SourceUnsupported", f"disk {disk.name}: {words}"
    elif pool.spec.type == "ISCSI" and lun(pool, catalog.namespace, disk.volume) is None:
        words = f"pool {name} gives no LUN to {catalog.namespace}/{disk.volume}"
        yield "LUNNotGiven", f"disk {disk.name}: {words}"


def _image(user: str, name: str, catalog: Catalog, use: str) -> Iterator[Problem]:
    image = catalog.images.get(name)
    if image is None:
        yield "ImageNotFound", f"{user}: there is no VirtualMachineImage {name}"
    elif not allows(image, catalog.namespace, catalog.labels):
        yield "NotAllowed", f"{user}: VirtualMachineImage {name} is not shared with namespace {catalog.namespace}"
    elif unfit := _unfit(image.spec, use):
        yield "InvalidSpec", f"{user}: VirtualMachineImage {name} {unfit}"


def _unfit(image: VirtualMachineImageSpec, use: str) -> str:
    """Say why an image does not do as a disk, as what lies in a drive or as a kernel; empty when it does."""
    if use == "Kernel":
        return "" if image.kernel else "holds no kernel"
    if image.source is None:
        return f"is of type {image.type} and holds no disk"
    if use == "Disk" and image.type == "ISO":
        return "is an ISO, of which no disk is made: give the disk type CDROM"
    if use == "ISO" and image.type != "ISO":
        return f"is of type {image.type}, and a drive takes one of type ISO"
    return ""


def _kernel(effective: Effective, catalog: Catalog) -> Iterator[Problem]:
    if effective.kernel_image:
        yield from _image("kernel", effective.kernel_image, catalog, "Kernel")
    elif effective.kernel_arguments is not None:
        yield "InvalidSpec", "kernel.arguments: neither kernel.image nor the image of the first disk gives a kernel"


def _needs(effective: Effective, catalog: Catalog) -> Iterator[Problem]:
    """Hold the machine against what its images say that they need; data that is there already is the machine's own."""
    fresh = (disk for disk in effective.disks if not _has_data(disk, catalog))
    users = [(f"disk {disk.name}", disk.image) for disk in fresh] + [("kernel", effective.kernel_image)]
    for user, name in users:
        if (image := catalog.images.get(name)) is not None:
            yield from (("InvalidSpec", words) for words in _lacks(effective.machine, f"{user}: {name}", image.spec))


def _lacks(machine: Machine, what: str, image: VirtualMachineImageSpec) -> Iterator[str]:
    if image.architecture and image.architecture != machine.architecture:
        yield f"architecture: {machine.architecture} does not go with {what}, which is for {image.architecture}"
    if image.minimum_memory is not None and machine.memory_bytes < quantity.whole(image.minimum_memory):
        size = quantity.binary(machine.memory_bytes)
        yield f"memory.size: {size} is less than the {image.minimum_memory} that {what} needs"


def _has_data(disk: EffectiveDisk, catalog: Catalog) -> bool:
    volume = catalog.volumes.get(disk.volume)
    return volume is not None and bool(volume.status.node_name)


def _interfaces(effective: Effective, catalog: Catalog) -> Iterator[Problem]:
    for each in effective.interfaces:
        network = catalog.networks.get(each.network)
        if not each.network:
            yield (
                "NoDefaultNetwork",
                f"interface {each.name} names no network, and no VirtualNetwork is marked as default",
            )
        elif network is None:
            yield "NetworkNotFound", f"interface {each.name}: there is no VirtualNetwork {each.network}"
        else:
            yield from _network(each, network)
        yield from _groups(each, catalog)


def _network(interface: EffectiveInterface, network: NetworkView) -> Iterator[Problem]:
    who = f"interface {interface.name}"
    refused = find(network.status.conditions, "Accepted")
    if refused is not None and refused.status == "False":
        yield "NetworkNotAccepted", f"{who}: VirtualNetwork {interface.network}: {refused.message}"
    if network.spec.type == "Direct" and (interface.groups or interface.bytes_per_second is not None):
        yield "Unsupported", f"{who}: {interface.network} is Direct and passes by securityGroups and limits"
    if interface.address and interface.mode == "Unmanaged":
        yield "InvalidSpec", f"{who}: address is not reserved with addressMode Unmanaged"
    elif interface.address:
        yield from _address(interface, network)


def _address(interface: EffectiveInterface, network: NetworkView) -> Iterator[Problem]:
    cidrs = [subnet.cidr for subnet in network.spec.subnets or () if family_of(subnet.cidr) == FAMILIES[0]]
    if not any(contains(cidr, interface.address) for cidr in cidrs):
        where = " and ".join(cidrs) or "every IPv4 subnet"
        yield (
            "AddressOutsideSubnet",
            f"interface {interface.name}: {interface.address} lies outside {where} of {interface.network}",
        )
    elif any(number(interface.address) in window.reserved for window in windows(network)):
        what = f"the network, broadcast or gateway address of {interface.network}"
        yield "AddressReserved", f"interface {interface.name}: {interface.address} is {what}"


def _groups(interface: EffectiveInterface, catalog: Catalog) -> Iterator[Problem]:
    for group in interface.groups:
        if group not in catalog.groups:
            yield (
                "SecurityGroupNotFound",
                f"interface {interface.name}: there is no SecurityGroup {group} in this namespace",
            )


def contains(cidr: str, address: str) -> bool:
    """Tell whether an IPv4 address lies in a network."""
    base, _, prefix = cidr.partition("/")
    shift = 32 - int(prefix)
    return number(base) >> shift == number(address) >> shift


def clashes(uid: str, effective: Effective, catalog: Catalog) -> Iterator[Problem]:
    """Find what others hold that the machine asks for: these heal when the others let go."""
    yield from dict.fromkeys(_clashes(uid, effective, catalog))


def _clashes(uid: str, effective: Effective, catalog: Catalog) -> Iterator[Problem]:
    for each in effective.interfaces:
        for holder in catalog.claimed.values():
            owner, theirs = holder.spec.virtual_machine, _both_want(each, holder)
            if theirs and owner.uid != uid:
                whose = f"{owner.namespace}/{owner.name}"
                yield "AddressInUse", f"interface {each.name}: {theirs} of {each.network} belongs to {whose}"


def _both_want(interface: EffectiveInterface, holder: AddressView) -> str:
    """Give the address or the hardware address that an interface asks for and somebody has, empty without one."""
    spec = holder.spec
    if not interface.network or spec.network != interface.network:
        return ""
    if interface.address and spec.address == interface.address:
        return interface.address
    # Be it chosen or given out: the reservation of a hardware address is one, whoever made it.
    return interface.mac if interface.mac and spec.mac_address == interface.mac else ""
