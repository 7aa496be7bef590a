"""Disk headers: what is a disk, and which no guest may have."""

import struct

import pytest

from drover.errors import InvalidSpec
from drover.translation import diskimage

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


def test_a_qcow2_disk_is_known_by_its_magic() -> None:
    assert diskimage.recognise(make_header()) == "qcow2"


@pytest.mark.parametrize(
    ("head", "message"),
    [
        pytest.param(b"KDMV" + bytes(506) + b"\x55\xaa", "VMDK", id="vmdk-even-with-a-boot-signature"),
        pytest.param(b"conectix", "VHD", id="vhd"),
        pytest.param(bytes(0x40) + b"\x7f\x10\xda\xbe", "VDI", id="vdi"),
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
    diskimage.refuse(diskimage.read_qcow2(header))


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
        diskimage.refuse(diskimage.read_qcow2(header))

    assert caught.value.reason == reason


def test_a_header_cut_short_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="cut short"):
        diskimage.read_qcow2(make_header()[:40])
