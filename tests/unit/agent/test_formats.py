"""Disks in the formats of others, and packed: a qcow2 file with the same content comes of them, or a clear word."""

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from tests.unit.agent import images
from tests.unit.agent.test_fetch import fetched, left, refused
from tests.unit.agent.webserver import content, website

from drover.agent.fetch import room
from drover.agent.fetch.disk import SLACK_BYTES
from drover.agent.fetch.order import Order
from drover.agent.fetch.process import fetch

DISK = (bytes(510) + b"\x55\xaa" + b"written " * 4096).ljust(1 << 20, b"\0")
ISO = bytes(0x8001) + b"CD001" + bytes(1 << 16)
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip-in-two-members": lambda body: gzip.compress(body[:5000]) + gzip.compress(body[5000:]),
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "zstd-in-two-frames": lambda body: b"".join(map(zstandard.ZstdCompressor().compress, (body[:99], body[99:]))),
}


def packed(kind: str, body: bytes) -> bytes:
    return PACK[kind](body)


def with_parent(folder: Path, form: str) -> bytes:
    """A disk of which only the difference to another is in the file."""
    body = images.converted(folder, form, body=DISK)
    if form == "vdi":
        return images.patched(body, 0x1A8, "<Q", 1)
    # What the metadata say begins 64 KiB behind their table: the size of a block, and the flags.
    return images.patched(body, body.index(b"metadata") + (64 << 10) + 4, "<I", 2)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        pytest.param("vmdk", (), id="vmdk"),
        pytest.param("vmdk", ("-o", "subformat=streamOptimized"), id="vmdk-of-an-ova"),
        pytest.param("vhdx", (), id="vhdx"),
        pytest.param("vdi", (), id="vdi"),
    ],
)
async def test_disks_of_others_become_qcow2(tmp_path: Path, form: str, options: tuple[str, ...]) -> None:
    sent = images.converted(tmp_path, form, *options, body=DISK)
    async with website(content(sent)) as site:
        result = await fetched(site.url, tmp_path, kind="Disk")

    assert (result.format, result.virtual_size, result.digest) == (form, len(DISK), images.sha256(sent))
    assert images.plain(tmp_path / result.file) == DISK
    assert left(tmp_path) == [result.file]


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("form", ["raw", "qcow2", "vmdk"])
async def test_packed_disks_are_unpacked(tmp_path: Path, kind: str, form: str) -> None:
    sent = packed(kind, DISK if form == "raw" else images.converted(tmp_path, form, body=DISK))
    async with website(content(sent)) as site:
        result = await fetched(site.url, tmp_path, kind="Disk", checksum=images.sha256(sent))
        again = await fetched(site.url, tmp_path, kind="Disk")

    assert (result, result.format, result.download_size) == (again, form, len(sent))
    assert images.plain(tmp_path / result.file) == DISK
    assert left(tmp_path) == [result.file]


@pytest.mark.parametrize("kind", ["", "xz"])
async def test_an_iso_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    async with website(content(packed(kind, ISO) if kind else ISO)) as site:
        result = await fetched(site.url, tmp_path, kind="ISO")

    assert (result.format, result.virtual_size) == ("raw", len(ISO))
    assert (tmp_path / result.file).read_bytes() == ISO
    assert left(tmp_path) == [result.file]


@pytest.mark.parametrize("body", [b"<html>" * 99, packed("gzip", DISK)], ids=["web-page", "packed-disk"])
async def test_what_is_no_iso_is_refused(tmp_path: Path, body: bytes) -> None:
    assert await refused(tmp_path, content(body), kind="ISO") == "UnknownFormat"
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(images.backed, "HasBackingFile", id="backing-file"),
        pytest.param(images.with_data_file, "HasDataFile", id="data-file"),
        pytest.param(lambda _: b"<html>" * 99, "UnknownFormat", id="web-page"),
        pytest.param(lambda _: packed("xz", packed("zstd", DISK)), "UnknownFormat", id="an-archive-in-an-archive"),
        pytest.param(lambda _: b"# Disk DescriptorFile\n" * 9, "HasDataFile", id="vmdk-of-other-files"),
        pytest.param(lambda folder: with_parent(folder, "vdi"), "HasBackingFile", id="vdi-with-a-parent"),
        pytest.param(lambda folder: with_parent(folder, "vhdx"), "UnknownFormat", id="vhdx-with-a-parent"),
    ],
)
@pytest.mark.parametrize("pack", ["", "gzip"], ids=["plain", "packed"])
async def test_what_needs_other_files_is_refused_packed_too(
    tmp_path: Path, make: Callable[[Path], bytes], reason: str, pack: str
) -> None:
    made = make(tmp_path)
    assert await refused(tmp_path, content(packed(pack, made) if pack else made), kind="Disk") == reason
    assert left(tmp_path) == []


@pytest.mark.parametrize("kind", ["gzip", "xz", "zstd"])
async def test_an_archive_that_is_cut_short_is_refused(tmp_path: Path, kind: str) -> None:
    assert await refused(tmp_path, content(packed(kind, DISK)[:-9]), kind="Disk") == "UnknownFormat"
    assert left(tmp_path) == []


@pytest.mark.parametrize("kind", ["gzip", "xz", "zstd"])
async def test_an_archive_without_end_is_given_up(tmp_path: Path, kind: str) -> None:
    bomb = packed(kind, DISK + bytes(64 << 20))

    assert await refused(tmp_path, content(bomb), kind="Disk", maximum_bytes=8 << 20) == "TooLarge"
    assert left(tmp_path) == []


async def test_an_archive_that_holds_more_than_its_disk_says_is_given_up(tmp_path: Path) -> None:
    bomb = packed("gzip", images.qcow2(tmp_path) + bytes(2 * SLACK_BYTES))

    assert await refused(tmp_path, content(bomb), kind="Disk") == "TooLarge"
    assert left(tmp_path) == []


async def test_a_disk_for_which_the_node_has_no_room_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SPARE_BYTES", 1 << 60)
    monkeypatch.setattr(room, "SPARE_PART", 1)

    assert await refused(tmp_path, content(DISK), kind="Disk") == "NoSpace"
    assert left(tmp_path) == []


async def test_a_converted_disk_outgrows_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drover.agent.fetch.disk.room", lambda _: 1 << 16)

    assert await refused(tmp_path, content(DISK), kind="Disk") == "NoSpace"
    assert left(tmp_path) == []


async def test_an_archive_unpacks_to_no_more_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drover.agent.fetch.unpack.room", lambda _: 1 << 16)

    assert await refused(tmp_path, content(packed("xz", DISK)), kind="Disk") == "NoSpace"
    assert left(tmp_path) == []


async def test_the_holes_of_an_unpacked_disk_take_no_room(tmp_path: Path) -> None:
    sent = packed("gzip", images.qcow2(tmp_path) + bytes(32 << 20))
    async with website(content(sent)) as site:
        result = await fetched(site.url, tmp_path, kind="Disk")

    assert (tmp_path / result.file).stat().st_blocks * 512 < 4 << 20


async def test_each_stage_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[str] = []
    async with website(content(packed("zstd", DISK))) as site:
        await fetch(Order(site.url, tmp_path, "Disk", hosts="127.0.0.1"), lambda stage, *_: told.append(stage))

    assert list(dict.fromkeys(told)) == ["Downloading", "Unpacking", "Converting"]
