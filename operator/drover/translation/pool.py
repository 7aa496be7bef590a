"""A directory of the host, or what a server lends, as libvirt's storage pool."""

from pathlib import PurePosixPath

from drover.state.host import Ceph, Dataset, Export, Group, Lender, Target
from drover.translation import ceph
from drover.translation.xml import Element, attribute, element, parse, render, text

PREFIX = "drover-"
LOGICAL = "logical"
"""libvirt's word for a pool that is a volume group of LVM."""
ZFS = "zfs"
"""libvirt's word for a pool that is one of ZFS."""
RBD = "rbd"
"""libvirt's word for a pool of Ceph."""
ISCSI = "iscsi-direct"
"""libvirt's word for a pool of LUNs, which need no device of the node."""
PACKAGES = {
    "netfs": "nfs-common",
    LOGICAL: "lvm2",
    ISCSI: "libvirt-daemon-driver-storage-iscsi-direct",
    ZFS: "zfsutils-linux",
    RBD: "libvirt-daemon-driver-storage-rbd",
}
"""What a node needs for a type of pool, in Debian's words."""
PARTS = {ZFS: "libvirt-daemon-driver-storage-zfs"}
"""What it needs of libvirt besides."""
NO_PART = "missing backend"
ABSENT = (NO_PART, "cannot find '", "cannot execute binary", "helper program")
"""What libvirt says of a program or a part of its own that is not installed."""


def name(pool: str) -> str:
    """Libvirt's name of a StoragePool."""
    return f"{PREFIX}{pool}"


def pool(name: str) -> str | None:
    """The StoragePool of a pool of libvirt's, None of any other's."""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None


def document(pool: str, path: str, lender: Lender | None = None) -> str:
    """The pool's XML. Others may pass through the directory (QEMU has a user of its own) but not list it."""
    if isinstance(lender, Group):
        source = element("source", element("name", lender.name), element("format", type="lvm2"))
        target = element("target", element("path", path))
        return render(element("pool", element("name", name(pool)), source, target, type=LOGICAL))
    if isinstance(lender, Dataset):
        source, target = element("source", element("name", lender.name)), element("target", element("path", path))
        return render(element("pool", element("name", name(pool)), source, target, type=ZFS))
    if isinstance(lender, Target):
        return render(element("pool", element("name", name(pool)), _portal(lender), type=ISCSI))
    if isinstance(lender, Ceph):
        return render(element("pool", element("name", name(pool)), ceph.source(lender), type=RBD))
    if lender is None:
        return folder(name(pool), path)
    return render(element("pool", element("name", name(pool)), _source(lender), _target(path), type="netfs"))


def folder(name: str, path: str) -> str:
    """The XML of a pool that is a directory."""
    return render(element("pool", element("name", name), _target(path), type="dir"))


def _target(path: str) -> Element:
    permissions = element("permissions", element("mode", "0711"))
    return element("target", element("path", path), permissions)


def _source(export: Export) -> Element:
    host, folder = element("host", name=export.server), element("dir", path=export.path)
    return element("source", host, folder, element("format", type="nfs"))


def _portal(target: Target) -> Element:
    host, device = element("host", name=target.server, port=target.port), element("device", path=target.name)
    return element("source", host, device, element("initiator", element("iqn", name=target.initiator)))


def address(target: Target) -> str:
    """What tells a target from others, and its initiator, as `directory` has it."""
    return f"iscsi://{target.initiator}@{target.server}:{target.port}/{target.name}"


def directory(document: str) -> str:
    """The directory of a pool, from its XML; the address of one that has none."""
    tree = parse(document)
    if tree.get("type") == RBD:
        return ceph.address(ceph.read(tree))
    if tree.get("type") != ISCSI:
        return text(tree, "target/path")
    initiator, server = attribute(tree, "source/initiator/iqn", "name"), attribute(tree, "source/host", "name")
    port, target = attribute(tree, "source/host", "port"), attribute(tree, "source/device", "path")
    return address(Target(server, int(port or 0), target, initiator))


def kind(document: str) -> str:
    """Libvirt's word for what a pool is, from its XML."""
    return parse(document).get("type", "")


def holds_files(document: str) -> bool:
    """Tell whether the volumes of a pool are files that the agent sees."""
    return kind(document) in {"dir", "netfs"}


def holds_devices(document: str) -> bool:
    """Tell whether the volumes of a pool are devices or images that are made, beside those of others."""
    return kind(document) in {LOGICAL, ZFS, RBD}


def device(group: str) -> PurePosixPath:
    """The folder of the devices of a volume group."""
    return PurePosixPath("/dev") / group


def zvols(dataset: str) -> PurePosixPath:
    """The folder of the devices of a pool of ZFS, or of a dataset of one."""
    return PurePosixPath("/dev/zvol") / dataset


def explain(kind: str, words: str) -> str:
    """Say what a node lacks for a type of pool, given libvirt's words; empty when it lacks nothing."""
    if kind not in PACKAGES or not any(sign in words.lower() for sign in ABSENT):
        return ""
    package = PARTS.get(kind, PACKAGES[kind]) if NO_PART in words.lower() else PACKAGES[kind]
    return f"the node lacks the package {package}; libvirtd is to be restarted after it was installed"
