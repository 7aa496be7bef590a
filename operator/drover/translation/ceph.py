"""A pool of a Ceph cluster: how libvirt, QEMU and qemu-img are told of it. The key stands in none of this."""

import json
from pathlib import PurePosixPath

from drover.state.guest import BlockImage
from drover.state.host import Ceph
from drover.translation.xml import Element, attribute, element, render, text

SOURCE, TARGET = "source", "target"
"""What the keys of what is read and of what is written are called towards qemu-img."""
BOUNDS = """\
[global]
client_mount_timeout = 30
rados_mon_op_timeout = 30
rados_osd_op_timeout = 120
"""
"""Settings of Ceph's library, which would wait forever for a cluster that is full or does not answer."""
NO_WAY_IN, NO_POOL = "failed to connect to the rados monitor", "failed to create the rbd ioctx"
NO_DRIVER = "unknown driver 'rbd'"
PACKAGE = "qemu-block-extra"
"""Part of QEMU that reaches images, in Debian's words."""

Words = tuple[str, ...]


def address(ceph: Ceph) -> str:
    """What tells a pool of Ceph from others, and who the node is there, as `pool.directory` has it."""
    return f"rbd://{ceph.user}@{','.join(ceph.monitors)}:{ceph.port}/{ceph.pool}"


def source(ceph: Ceph) -> Element:
    """The source of libvirt's pool."""
    key = element("auth", element("secret", usage=ceph.purpose), type="ceph", username=ceph.user)
    return element("source", *_hosts(ceph), element("name", ceph.pool), key)


def read(tree: Element) -> Ceph:
    """Find out again which pool of Ceph libvirt's pool is."""
    hosts = tree.findall("source/host")
    monitors, port = tuple(host.get("name", "") for host in hosts), attribute(tree, "source/host", "port")
    user, purpose = attribute(tree, "source/auth", "username"), attribute(tree, "source/auth/secret", "usage")
    return Ceph(monitors, int(port or 0), text(tree, "source/name"), user, purpose)


def disk(place: BlockImage) -> Element:
    """The source of a guest's disk that is an image."""
    ceph = place.ceph
    key = element("auth", element("secret", type="ceph", usage=ceph.purpose), username=ceph.user)
    return element("source", *_hosts(ceph), key, protocol="rbd", name=f"{ceph.pool}/{place.name}")


def _hosts(ceph: Ceph) -> list[Element]:
    return [element("host", name=monitor, port=ceph.port) for monitor in ceph.monitors]


def secret(purpose: str) -> str:
    """Describe libvirt's secret of a key: kept in memory alone, and read back by nobody."""
    usage = element("usage", element("name", purpose), type="ceph")
    return render(element("secret", usage, ephemeral="yes", private="yes"))


def explain(ceph: Ceph, words: str) -> str:
    """Say why a pool of Ceph cannot be used, given libvirt's words, whose ends name the wrong error."""
    if NO_WAY_IN in words.lower():
        return f"the monitors let client.{ceph.user} not in with the key in the Secret, or do not answer in time"
    if NO_POOL in words.lower():
        return f"the cluster has no pool {ceph.pool} for client.{ceph.user}"
    return words


# --- qemu-img: what is in an image is written and read by it, as libvirt does neither ---------------------------------


def sending(path: PurePosixPath, form: str, image: BlockImage) -> Words:
    """Write all that is in a file or device of the format `form` into an image that reads as zeros."""
    return ("-f", form, "-O", "raw", "--", str(path), _opened(image, TARGET))


def fetching(image: BlockImage, path: PurePosixPath) -> Words:
    """Write all that is in an image into a qcow2 file that reads as zeros."""
    return ("-f", "raw", "-O", "qcow2", "--", _opened(image, SOURCE), str(path))


def copying(origin: BlockImage, image: BlockImage) -> Words:
    """Write all that is in an image into another one that reads as zeros."""
    return ("-f", "raw", "-O", "raw", "--", _opened(origin, SOURCE), _opened(image, TARGET))


def conversion(words: Words, keys: dict[str, int]) -> Words:
    """Say the whole of it to qemu-img; `keys` are open files that hold a key each, by what it is called."""
    held = (f"secret,id={name},format=raw,file=/dev/fd/{number}" for name, number in keys.items())
    unlocked = (word for each in held for word in ("--object", each))
    return ("convert", *unlocked, "-n", "--target-is-zero", "-W", *words)


def _opened(image: BlockImage, key: str) -> str:
    ceph = image.ceph
    servers = [{"host": monitor, "port": str(ceph.port)} for monitor in ceph.monitors]
    place = {"driver": "rbd", "pool": ceph.pool, "image": image.name, "server": servers}
    return f"json:{json.dumps({'driver': 'raw', 'file': {**place, 'user': ceph.user, 'key-secret': key}})}"
