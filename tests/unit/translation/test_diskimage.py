"""Disk headers: what is a disk, and which no guest may have."""

import struct

import pytest

from drover.errors import InvalidSpec
from drover.translation import diskimage, qcow2

GIB = 1 << 30


def make_header(version: int = 3, size: int = GIB, **fields: int) -> bytes:
    """A qcow2 header; fields: backing, cluster_bits, encryption, l1, features."""
    return struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        *(b"QFI\xfb", version, fields.get("backing", 0), 0, fields.get("cluster_bits", 16), size),
        *(fields.get("encryption", 0), fields.get("l1", 1), 0x30000, 0x10000, 1, 0, 0),
        *(fields.get("features", 0), 0, 0, 4, 104),
    )


@pytest.mark.parametrize(
    ("offset", "magic"),
    [
        pytest.param(510, b"\x55\xaa", id="mbr"),
        pytest.param(512, b"EFI PART", id="gpt"),
        pytest.param(0x438, b"\x53\xef", id="ext4"),
        pytest.param(0, b"XFSB", id="xfs"),
        pytest.param(0x10040, b"_BHRfS_M", id="btrfs"),
        pytest.param(0x8001, b"CD001", id="iso"),
    ],
)
def test_a_raw_disk_is_known_by_its_signature(offset: int, magic: bytes) -> None:
    assert diskimage.recognise(bytes(offset) + magic + bytes(4096)) == "raw"


@pytest.mark.parametrize(
    ("head", "known"),
    [
        pytest.param(make_header(), "qcow2", id="qcow2"),
        pytest.param(b"KDMV" + bytes(506) + b"\x55\xaa", "vmdk", id="vmdk-even-with-a-boot-signature"),
        pytest.param(b"vhdxfile", "vhdx", id="vhdx"),
        pytest.param(bytes(0x40) + b"\x7f\x10\xda\xbe", "vdi", id="vdi"),
    ],
)
def test_other_disks_are_known_by_their_magic(head: bytes, known: str) -> None:
    assert diskimage.recognise(head) == known


@pytest.mark.parametrize(
    ("head", "known"),
    [(b"\x1f\x8b\x08", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", None), (b"", None)],
)
def test_an_archive_is_known_by_its_magic(head: bytes, known: str | None) -> None:
    assert diskimage.packing(head) == known


def test_a_descriptor_without_data_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="other files") as caught:
        diskimage.recognise(b"# Disk DescriptorFile\nversion=1")

    assert caught.value.reason == "HasDataFile"


@pytest.mark.parametrize("head", [bytes(0x8001) + b"CD001", bytes(0x8001) + b"BEA01"], ids=["iso9660", "udf"])
def test_an_iso_is_known_by_its_signature(head: bytes) -> None:
    diskimage.check_iso(head)


def test_what_is_no_iso_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="not an ISO"):
        diskimage.check_iso(b"<html>")


def make_vmdk(*, sectors: int = 2048, offset: int = 1, size: int = 20, words: bytes = b"") -> bytes:
    """A VMDK header with its descriptor."""
    header = struct.pack("<4sIIQQQQ", b"KDMV", 1, 3, sectors, 128, offset, size)
    return (header.ljust(512, b"\0") + words).ljust(64 << 10, b"\0")


def make_vdi(*, kind: int = 1, size: int = GIB, parent: bytes = bytes(16)) -> bytes:
    """A VDI header."""
    head = bytearray(512)
    head[0x40:0x44] = b"\x7f\x10\xda\xbe"
    struct.pack_into("<I", head, 0x4C, kind)
    struct.pack_into("<Q", head, 0x170, size)
    head[0x1B8:0x1C8] = parent
    return bytes(head)


@pytest.mark.parametrize(
    ("head", "size"),
    [
        pytest.param(make_header(), GIB, id="qcow2"),
        pytest.param(make_vmdk(words=b'createType="streamOptimized"'), 1 << 20, id="vmdk"),
        pytest.param(make_vmdk(offset=0, size=0), 1 << 20, id="vmdk-without-a-descriptor"),
        pytest.param(make_vdi(), GIB, id="vdi"),
        pytest.param(b"vhdxfile", None, id="vhdx"),
        pytest.param(bytes(510) + b"\x55\xaa", None, id="raw"),
    ],
)
def test_a_header_declares_the_size_of_its_disk(head: bytes, size: int | None) -> None:
    assert diskimage.check(diskimage.recognise(head), head) == size


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        pytest.param(make_header(backing=512), "HasBackingFile", id="qcow2-with-a-backing-file"),
        pytest.param(make_vmdk(words=b'parentFileNameHint="/etc/passwd"'), "HasBackingFile", id="vmdk-with-a-parent"),
        pytest.param(
            make_vmdk(offset=0, size=0, words=b'parentFileNameHint="/etc/passwd"'),
            "HasBackingFile",
            id="where-qemu-reads",
        ),
        pytest.param(make_vmdk(sectors=0), "HasDataFile", id="vmdk-of-extents"),
        pytest.param(make_vmdk(offset=1 << 40), "UnknownFormat", id="vmdk-with-a-far-descriptor"),
        pytest.param(make_vmdk(sectors=1 << 60), "UnknownFormat", id="vmdk-of-absurd-size"),
        pytest.param(make_vmdk()[:99], "UnknownFormat", id="vmdk-cut-short"),
        pytest.param(make_vdi(kind=4), "HasBackingFile", id="vdi-of-differences"),
        pytest.param(make_vdi(parent=b"p" * 16), "HasBackingFile", id="vdi-with-a-parent"),
        pytest.param(make_vdi(size=0), "UnknownFormat", id="vdi-without-size"),
        pytest.param(make_vdi()[:99], "UnknownFormat", id="vdi-cut-short"),
    ],
)
def test_a_disk_that_needs_other_files_is_refused(head: bytes, reason: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        diskimage.check(diskimage.recognise(head), head)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("head", "message"),
    [
        pytest.param(b"conectix", "VHD", id="vhd"),
        pytest.param(b"COWD", "VMDK of an old kind", id="old-vmdk"),
        pytest.param(b"\x1f\x8b\x08", "gzip", id="gzip"),
        pytest.param(b"<!DOCTYPE html>", "neither", id="web-page"),
        pytest.param(b"", "neither", id="nothing"),
    ],
)
def test_anything_else_is_refused_by_name(head: bytes, message: str) -> None:
    with pytest.raises(InvalidSpec, match=message) as caught:
        diskimage.recognise(head)

    assert caught.value.reason == "UnknownFormat"


@pytest.mark.parametrize("header", [make_header(), make_header(2), make_header(features=0b11001)], ids=["3", "2", "lz"])
def test_a_plain_disk_is_accepted(header: bytes) -> None:
    qcow2.refuse(qcow2.read_qcow2(header))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        pytest.param(make_header(backing=512), "HasBackingFile", id="backing-file"),
        pytest.param(make_header(features=1 << 2), "HasDataFile", id="data-file"),
        pytest.param(make_header(features=1 << 5), "UnknownFormat", id="a-feature-of-the-future"),
        pytest.param(make_header(features=1 << 1), "UnknownFormat", id="corrupt"),
        pytest.param(make_header(4), "UnknownFormat", id="a-version-of-the-future"),
        pytest.param(make_header(encryption=2), "UnknownFormat", id="encrypted"),
        pytest.param(make_header(cluster_bits=40), "UnknownFormat", id="cluster-size"),
        pytest.param(make_header(size=0), "UnknownFormat", id="no-size"),
        pytest.param(make_header(size=1 << 60), "UnknownFormat", id="an-absurd-size"),
        pytest.param(make_header(l1=1 << 31), "UnknownFormat", id="an-absurd-table"),
    ],
)
def test_a_disk_that_could_harm_is_refused(header: bytes, reason: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        qcow2.refuse(qcow2.read_qcow2(header))

    assert caught.value.reason == reason


def test_a_header_cut_short_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="cut short"):
        qcow2.read_qcow2(make_header()[:40])
