"""Fetching a file: what arrives is what was asked for, or nothing is left of it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent import images
from tests.unit.agent.webserver import Answer, content, cut, endless, rest, stall, status, website

from drover.agent.fetch.order import Order, Result, Trouble
from drover.agent.fetch.process import fetch

RESUMABLE = {"Accept-Ranges": "bytes", "ETag": '"one"'}


async def fetched(url: str, folder: Path, **wishes: Any) -> Result:
    return await fetch(Order(url=url, directory=folder, **{"disk": False, **wishes}), lambda _done, _total: None)


async def refused(folder: Path, *answers: Answer, **wishes: Any) -> str:
    """Reason why a fetch fails."""
    async with website(*answers) as site:
        with pytest.raises(Trouble) as caught:
            await fetched(site.url, folder, **wishes)
    return caught.value.reason


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size`: a full disk that needs no disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_kernel_is_kept_under_its_digest(tmp_path: Path) -> None:
    async with website(content(images.KERNEL)) as site:
        result = await fetched(site.url, tmp_path)

    digest = images.sha256(images.KERNEL).removeprefix("sha256:")
    assert result == Result(f"sha256:{digest}", digest, len(images.KERNEL))
    assert (tmp_path / digest).read_bytes() == images.KERNEL
    assert left(tmp_path) == [digest]


@pytest.mark.parametrize("checksum", [images.sha256(images.KERNEL), images.sha512(images.KERNEL)])
async def test_a_checksum_that_fits_is_accepted(tmp_path: Path, checksum: str) -> None:
    async with website(content(images.KERNEL)) as site:
        result = await fetched(site.url, tmp_path, checksum=checksum)

    assert result.digest == images.sha256(images.KERNEL)


@pytest.mark.parametrize("checksum", [images.sha256(b"other"), images.sha512(b"other")])
async def test_a_checksum_that_does_not_fit_leaves_nothing(tmp_path: Path, checksum: str) -> None:
    assert await refused(tmp_path, content(images.KERNEL, **RESUMABLE), checksum=checksum) == "ChecksumMismatch"
    assert left(tmp_path) == []


async def test_a_qcow2_disk_is_kept_as_it_is(tmp_path: Path) -> None:
    body = images.qcow2(tmp_path)
    async with website(content(body)) as site:
        result = await fetched(site.url, tmp_path, disk=True)

    assert (result.format, result.virtual_size, result.size) == ("qcow2", 4 << 20, len(body))
    assert (tmp_path / result.file).read_bytes() == body


async def test_a_raw_disk_is_kept_as_qcow2_under_the_digest_of_the_raw_one(tmp_path: Path) -> None:
    async with website(content(images.RAW)) as site:
        result = await fetched(site.url, tmp_path, disk=True)

    assert (result.format, result.virtual_size, result.digest) == ("raw", len(images.RAW), images.sha256(images.RAW))
    assert (tmp_path / result.file).read_bytes().startswith(b"QFI\xfb")
    assert left(tmp_path) == [result.file]


async def test_a_file_that_is_there_already_stays_untouched(tmp_path: Path) -> None:
    async with website(content(images.RAW)) as site:
        first = await fetched(site.url, tmp_path, disk=True)
        inode = (tmp_path / first.file).stat().st_ino
        second = await fetched(site.url, tmp_path, disk=True)

    assert second == first
    assert (tmp_path / first.file).stat().st_ino == inode


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"<html><body>not found</body></html>" * 99, "UnknownFormat", id="a-web-page"),
        pytest.param(b"KDMV" + bytes(4096), "UnknownFormat", id="vmdk"),
        pytest.param(b"\x1f\x8b\x08" + bytes(4096), "UnknownFormat", id="gzip"),
        pytest.param(bytes(1 << 20), "UnknownFormat", id="zeros"),
        pytest.param(b"QFI\xfb\0\0\0\x03", "UnknownFormat", id="a-header-cut-short"),
        pytest.param(b"", "UnknownFormat", id="nothing"),
    ],
)
async def test_what_is_no_disk_is_refused_and_leaves_nothing(tmp_path: Path, body: bytes, reason: str) -> None:
    assert await refused(tmp_path, content(body, **RESUMABLE), disk=True) == reason
    assert left(tmp_path) == []


async def test_a_disk_with_a_backing_file_is_refused(tmp_path: Path) -> None:
    assert await refused(tmp_path, content(images.backed(tmp_path)), disk=True) == "HasBackingFile"
    assert left(tmp_path) == []


async def test_a_disk_with_a_data_file_is_refused(tmp_path: Path) -> None:
    assert await refused(tmp_path, content(images.with_data_file(tmp_path)), disk=True) == "HasDataFile"
    assert left(tmp_path) == []


async def test_a_disk_that_qemu_cannot_read_is_refused(tmp_path: Path) -> None:
    broken = images.patched(images.qcow2(tmp_path), 96, ">I", 63)  # width of a reference count

    assert await refused(tmp_path, content(broken), disk=True) == "UnknownFormat"
    assert left(tmp_path) == []


async def test_a_body_cut_short_is_told_and_leaves_nothing_that_no_server_would_go_on_from(tmp_path: Path) -> None:
    assert await refused(tmp_path, cut(images.KERNEL, 5000)) == "Truncated"
    assert left(tmp_path) == []


async def test_a_server_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    assert await refused(tmp_path, stall(images.KERNEL, 5000), stall_seconds=0.2) == "Stalled"
    assert left(tmp_path) == []


async def test_a_download_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    async with website(cut(images.KERNEL, 5000, **RESUMABLE), rest(images.KERNEL)) as site:
        with pytest.raises(Trouble, match="ended before the file did"):
            await fetched(site.url, tmp_path)
        result = await fetched(site.url, tmp_path)

    assert (tmp_path / result.file).read_bytes() == images.KERNEL
    assert site.ranges == ["", "bytes=5000-"]
    assert left(tmp_path) == [result.file]


async def test_a_file_that_changed_on_the_server_is_fetched_anew(tmp_path: Path) -> None:
    new = images.KERNEL[::-1]
    async with website(cut(images.KERNEL, 5000, **RESUMABLE), content(new, **RESUMABLE)) as site:
        with pytest.raises(Trouble):
            await fetched(site.url, tmp_path)
        result = await fetched(site.url, tmp_path)

    assert (tmp_path / result.file).read_bytes() == new


async def test_a_part_that_is_longer_than_the_file_is_dropped(tmp_path: Path) -> None:
    answers = (cut(images.KERNEL, 5000, **RESUMABLE), status(416), content(b"short", **RESUMABLE))
    async with website(*answers) as site:
        with pytest.raises(Trouble):
            await fetched(site.url, tmp_path)
        result = await fetched(site.url, tmp_path)

    assert (tmp_path / result.file).read_bytes() == b"short"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(status(404), "HTTPStatus", id="not-there"),
        pytest.param(status(500), "HTTPStatus", id="broken"),
        pytest.param(status(206), "HTTPStatus", id="a-part-nobody-asked-for"),
        pytest.param(status(302, Location="file:///etc/passwd"), "Unreachable", id="redirect-to-a-file"),
        pytest.param(status(302, Location="/again"), "Unreachable", id="redirects-without-end"),
        pytest.param(content(b""), "Truncated", id="empty"),
    ],
)
async def test_a_server_that_has_no_file_is_told(tmp_path: Path, answer: Answer, reason: str) -> None:
    assert await refused(tmp_path, answer) == reason
    assert left(tmp_path) == []


@pytest.mark.parametrize("answer", [content(images.KERNEL), endless(images.KERNEL)], ids=["announced", "by-surprise"])
async def test_a_file_that_is_too_large_is_not_taken(tmp_path: Path, answer: Answer) -> None:
    assert await refused(tmp_path, answer, maximum_bytes=1000) == "TooLarge"
    assert left(tmp_path) == []


async def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Trouble) as caught:
        await fetched("http://127.0.0.1:1/image", tmp_path)

    assert caught.value.reason == "Unreachable"


async def test_a_full_disk_is_told_and_given_its_room_back(tmp_path: Path) -> None:
    with limited_file_size(10_000):
        reason = await refused(tmp_path, content(images.KERNEL, **RESUMABLE))

    assert reason == "NoSpace"
    assert left(tmp_path) == []


async def test_progress_ends_with_the_whole(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    async with website(content(images.KERNEL)) as site:
        await fetch(Order(site.url, tmp_path, disk=False), lambda done, total: told.append((done, total)))

    assert told[-1] == (len(images.KERNEL), len(images.KERNEL))
