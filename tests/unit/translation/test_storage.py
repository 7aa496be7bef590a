"""Pools, volumes and the probe guest as libvirt is told of them."""

import json
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from tests.support.blueprints import make_blueprint
from tests.support.schemas import valid

from drover.state.guest import BlockImage
from drover.state.host import Capabilities, Ceph, Dataset, Export, Group, Target
from drover.translation import ceph, dhcp, network, pool, probe, volume
from drover.translation.domain import disks
from drover.translation.domain.document import document
from drover.translation.xml import attribute, parse, text

SAN = Target("san.example", 3260, "iqn.2026-01.com.example:disks", "iqn.2026-01.dev.drover:n1")
CEPH = Ceph(("mon1", "fd00::1"), 3300, "vms", "drover", "drover-vms")
PLACE = BlockImage(CEPH, "a")
IMAGE = PurePosixPath("/var/lib/drover/images/abc.qcow2")


def test_libvirt_accepts_a_pool_and_gives_its_directory_back() -> None:
    document = pool.document("default", "/var/lib/drover/pools/default")

    assert valid("storagepool", parse(document)) == ""
    assert pool.directory(document) == "/var/lib/drover/pools/default"
    assert pool.name("default") == "drover-default"


def test_libvirt_accepts_a_pool_that_a_server_lends() -> None:
    document = pool.document("files", "/mnt/files", Export("files.example", "/export/vms"))
    tree = parse(document)

    assert valid("storagepool", tree) == ""
    assert (tree.get("type"), pool.directory(document)) == ("netfs", "/mnt/files")
    assert attribute(tree, "source/host", "name") == "files.example"
    assert (attribute(tree, "source/dir", "path"), attribute(tree, "source/format", "type")) == ("/export/vms", "nfs")


def test_libvirt_accepts_a_pool_that_is_a_volume_group() -> None:
    document = pool.document("fast", str(pool.device("vg0")), Group("vg0"))
    tree = parse(document)

    assert valid("storagepool", tree) == ""
    assert (pool.kind(document), pool.directory(document), pool.holds_files(document)) == (
        "logical",
        "/dev/vg0",
        False,
    )
    assert (text(tree, "source/name"), attribute(tree, "source/format", "type")) == ("vg0", "lvm2")


def test_libvirt_accepts_a_pool_of_zfs() -> None:
    document = pool.document("tank", str(pool.zvols("tank/vms")), Dataset("tank/vms"))
    tree = parse(document)

    assert valid("storagepool", tree) == ""
    assert (tree.get("type"), pool.directory(document), text(tree, "source/name")) == (
        "zfs",
        "/dev/zvol/tank/vms",
        "tank/vms",
    )
    assert (pool.holds_files(document), pool.holds_devices(document)) == (False, True)


def test_libvirt_accepts_a_file_that_is_as_it_is_read() -> None:
    tree = parse(volume.flat_document(volume.flat("uid.qcow2"), 1 << 30))

    assert valid("storagevol", tree) == ""
    assert (text(tree, "name"), attribute(tree, "target/format", "type")) == ("uid.qcow2.flat", "raw")


def test_libvirt_accepts_a_logical_volume() -> None:
    tree = parse(volume.logical_document(volume.logical("uid"), 1 << 30))

    assert valid("storagevol", tree) == ""
    assert (text(tree, "name"), text(tree, "capacity")) == ("drover-uid", str(1 << 30))


def test_libvirt_accepts_a_pool_of_luns_and_gives_its_target_back() -> None:
    document = pool.document("san", "", SAN)
    tree = parse(document)

    assert valid("storagepool", tree) == ""
    assert (tree.get("type"), pool.directory(document)) == ("iscsi-direct", pool.address(SAN))
    assert pool.address(SAN) == "iscsi://iqn.2026-01.dev.drover:n1@san.example:3260/iqn.2026-01.com.example:disks"
    assert volume.unit(7) == "unit:0:0:7"


def test_libvirt_accepts_a_pool_of_ceph_and_gives_its_cluster_back() -> None:
    document = pool.document("vms", "", CEPH)
    tree = parse(document)

    assert valid("storagepool", tree) == ""
    assert (ceph.read(tree), pool.directory(document)) == (CEPH, "rbd://drover@mon1,fd00::1:3300/vms")
    assert attribute(tree, "source/auth/secret", "usage") == "drover-vms"
    assert (pool.kind(document), pool.holds_files(document), pool.holds_devices(document)) == ("rbd", False, True)


def test_libvirt_keeps_the_key_of_a_pool_in_memory_alone() -> None:
    tree = parse(ceph.secret("drover-vms"))

    assert valid("secret", tree) == ""
    assert (tree.get("ephemeral"), tree.get("private"), text(tree, "usage/name")) == ("yes", "yes", "drover-vms")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("failed to connect to the RADOS monitor on: mon1:3300,: No such file", "let client.drover not in"),
        ("failed to create the RBD IoCTX. Does the pool 'vms' exist?", "has no pool vms"),
        ("something else", "something else"),
    ],
)
def test_what_libvirt_says_of_ceph_is_told_as_it_is(words: str, expected: str) -> None:
    assert expected in ceph.explain(CEPH, words)


def test_qemu_img_writes_into_an_image_what_it_reads_elsewhere() -> None:
    words = ceph.conversion(ceph.copying(PLACE, replace(PLACE, name="b")), {ceph.SOURCE: 7, ceph.TARGET: 8})
    read, written = (json.loads(word.removeprefix("json:"))["file"] for word in words[-2:])

    held = ("--object", "secret,id=source,format=raw,file=/dev/fd/7", "--object")
    assert words[:4] == ("convert", *held)
    assert [(each["image"], each["key-secret"]) for each in (read, written)] == [("a", "source"), ("b", "target")]
    assert read["server"] == [{"host": "mon1", "port": "3300"}, {"host": "fd00::1", "port": "3300"}]


def test_qemu_img_has_files_on_the_other_side_of_an_image() -> None:
    assert ceph.sending(IMAGE, "qcow2", PLACE)[:6] == ("-f", "qcow2", "-O", "raw", "--", str(IMAGE))
    assert (ceph.fetching(PLACE, IMAGE)[:5], ceph.fetching(PLACE, IMAGE)[-1]) == (
        ("-f", "raw", "-O", "qcow2", "--"),
        str(IMAGE),
    )


def test_only_volumes_of_ours_that_are_whole_are_counted_in_a_group() -> None:
    names = ["swap", volume.HERE, "drover-a", "drover-a.whole", "drover-b", "drover-c.whole"]

    assert volume.logical_uids(names) == ("a",)


@pytest.mark.parametrize(
    ("kind", "words", "lacking"),
    [
        ("logical", "Cannot find '/sbin/vgs' in path: No such file or directory", "lvm2"),
        ("logical", "cannot execute binary /sbin/vgs: No such file or directory", "lvm2"),
        ("netfs", "you might need a /sbin/mount.<type> helper program", "nfs-common"),
        ("netfs", "access denied by server while mounting", ""),
        ("logical", "cannot find logical volume group name 'vg0'", ""),
        ("iscsi-direct", "missing backend for pool type 12 (iscsi-direct)", "storage-iscsi-direct"),
        ("rbd", "missing backend for pool type 9 (rbd)", "libvirt-daemon-driver-storage-rbd"),
        ("zfs", "missing backend for pool type 11 (zfs)", "libvirt-daemon-driver-storage-zfs"),
        ("zfs", "Cannot find 'zfs' in path: No such file or directory", "zfsutils-linux"),
        ("zfs", "cannot open 'tank': no such pool", ""),
        ("dir", "Cannot find 'anything' in path", ""),
    ],
)
def test_what_a_node_lacks_for_a_pool_is_named(kind: str, words: str, lacking: str) -> None:
    found = pool.explain(kind, words)

    assert bool(found) == bool(lacking)
    assert lacking in found


@pytest.mark.parametrize(("image", "backing"), [(None, ""), (IMAGE, str(IMAGE))], ids=["blank", "from-image"])
def test_libvirt_accepts_a_volume(image: PurePosixPath | None, backing: str) -> None:
    tree = parse(volume.document("uid", 1 << 30, image))

    assert valid("storagevol", tree) == ""
    assert (text(tree, "capacity"), text(tree, "backingStore/path")) == (str(1 << 30), backing)


def test_a_volume_is_found_by_its_uid() -> None:
    assert volume.path("/pool", "uid") == PurePosixPath("/pool/uid.qcow2")
    assert volume.uid("uid.qcow2") == "uid"
    assert volume.uid("lost+found") is None
    assert volume.name(volume.unfinished("uid")) == "uid.copy.qcow2"
    assert volume.name(volume.linked("uid")) == "uid.linked.qcow2"


def test_libvirt_accepts_the_probe_guest() -> None:
    host = Capabilities("x86_64", "/usr/bin/qemu-system-x86_64", "pc-q35-7.2", kvm=True)
    tree = parse(probe.document(host, PurePosixPath("/probe.img"), PurePosixPath("/probe.out")))

    assert valid("domain", tree) == ""
    assert tree.get("type") == "kvm"
    assert attribute(tree, "devices/serial/source", "path") == "/probe.out"


def test_the_probe_guest_has_a_boot_sector_on_a_disk_that_firmware_reads() -> None:
    disk = probe.disk()

    assert disk[510:512] == b"\x55\xaa"
    assert len(disk) == 1 << 20


def test_a_release_names_the_guest_its_address_and_the_server() -> None:
    message = dhcp.release("02:00:00:00:00:01", "10.20.0.5", "10.20.0.1")

    assert message[12:16] == bytes((10, 20, 0, 5))
    assert message[28:34] == bytes((2, 0, 0, 0, 0, 1))
    assert message[236:] == bytes((99, 130, 83, 99, 53, 1, 7, 54, 4, 10, 20, 0, 1, 255))


@pytest.mark.parametrize(("name", "ours"), [("drover-fast", "fast"), ("default", None)])
def test_our_pools_and_networks_are_told_by_their_names(name: str, ours: str | None) -> None:
    assert (pool.pool(name), network.network(name)) == (ours, ours)


@pytest.mark.parametrize(("disk", "device"), [("root", "vda"), ("data", "")])
def test_the_device_of_a_disk_is_found_by_its_name(disk: str, device: str) -> None:
    assert disks.target(document(make_blueprint(disks=("root",))), disk) == device
