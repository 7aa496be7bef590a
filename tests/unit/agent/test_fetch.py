"""Fetching a file: what arrives is what was asked for, or nothing is left of it."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent import images
from tests.unit.agent.webserver import Answer, content, cut, drip, endless, rest, stall, status, until_closed, website

from drover.agent.fetch import body, disk
from drover.agent.fetch.order import Order, Result, Trouble
from drover.agent.fetch.process import fetch

RESUMABLE = {"Accept-Ranges": "bytes", "ETag": '"one"'}


async def fetched(url: str, folder: Path, **wishes: Any) -> Result:
    order = Order(url=url, directory=folder, **{"kind": "File", "hosts": "127.0.0.1", **wishes})
    return await fetch(order, lambda *_: None)


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
    size = len(images.KERNEL)
    assert result == Result(f"sha256:{digest}", digest, size, download_size=size)
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
    sent = images.qcow2(tmp_path)
    async with website(content(sent)) as site:
        result = await fetched(site.url, tmp_path, kind="Disk")

    assert (result.format, result.virtual_size, result.size) == ("qcow2", 4 << 20, len(sent))
    assert (tmp_path / result.file).read_bytes() == sent


async def test_a_raw_disk_is_kept_as_qcow2_under_the_digest_of_the_raw_one(tmp_path: Path) -> None:
    async with website(content(images.RAW)) as site:
        result = await fetched(site.url, tmp_path, kind="Disk")

    assert (result.format, result.virtual_size, result.digest) == ("raw", len(images.RAW), images.sha256(images.RAW))
    assert (tmp_path / result.file).read_bytes().startswith(b"QFI\xfb")
    assert left(tmp_path) == [result.file]


async def test_a_file_that_is_there_already_stays_untouched(tmp_path: Path) -> None:
    async with website(content(images.RAW)) as site:
        first = await fetched(site.url, tmp_path, kind="Disk")
        inode = (tmp_path / first.file).stat().st_ino
        second = await fetched(site.url, tmp_path, kind="Disk")

    assert second == first
    assert (tmp_path / first.file).stat().st_ino == inode


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(b"<html><body>not found</body></html>" * 99, "UnknownFormat", id="a-web-page"),
        pytest.param(b"KDMV" + bytes(4096), "UnknownFormat", id="vmdk-cut-short"),
        pytest.param(b"vhdxfile" + bytes(1 << 20), "UnknownFormat", id="vhdx-of-zeros"),
        pytest.param(b"\x1f\x8b\x08" + bytes(4096), "UnknownFormat", id="gzip"),
        pytest.param(bytes(1 << 20), "UnknownFormat", id="zeros"),
        pytest.param(b"QFI\xfb\0\0\0\x03", "UnknownFormat", id="a-header-cut-short"),
        pytest.param(b"", "UnknownFormat", id="nothing"),
    ],
)
async def test_what_is_no_disk_is_refused_and_leaves_nothing(tmp_path: Path, sent: bytes, reason: str) -> None:
    assert await refused(tmp_path, content(sent, **RESUMABLE), kind="Disk") == reason
    assert left(tmp_path) == []


async def test_a_disk_with_a_backing_file_is_refused(tmp_path: Path) -> None:
    assert await refused(tmp_path, content(images.backed(tmp_path)), kind="Disk") == "HasBackingFile"
    assert left(tmp_path) == []


async def test_a_disk_with_a_data_file_is_refused(tmp_path: Path) -> None:
    assert await refused(tmp_path, content(images.with_data_file(tmp_path)), kind="Disk") == "HasDataFile"
    assert left(tmp_path) == []


async def test_a_disk_that_qemu_cannot_read_is_refused(tmp_path: Path) -> None:
    broken = images.patched(images.qcow2(tmp_path), 96, ">I", 63)  # width of a reference count

    assert await refused(tmp_path, content(broken), kind="Disk") == "UnknownFormat"
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
    "answer",
    [
        pytest.param(rest(images.KERNEL[::-1], tag='"two"'), id="another-tag"),
        pytest.param(rest(images.KERNEL + b"more"), id="another-length"),
        pytest.param(status(206), id="no-range"),
        pytest.param(status(206, **{"Content-Range": "bytes 0-1/2"}), id="another-place"),
    ],
)
async def test_what_is_no_rest_of_the_same_file_is_not_glued_to_its_beginning(tmp_path: Path, answer: Answer) -> None:
    new = images.KERNEL[::-1]
    answers = (cut(images.KERNEL, 5000, **RESUMABLE), answer, content(new, **RESUMABLE))
    async with website(*answers) as site:
        with pytest.raises(Trouble):
            await fetched(site.url, tmp_path)
        result = await fetched(site.url, tmp_path)

    assert (tmp_path / result.file).read_bytes() == new


async def test_a_rest_that_comes_in_pieces_is_put_together(tmp_path: Path) -> None:
    answers = (cut(images.KERNEL, 5000, **RESUMABLE), rest(images.KERNEL, most=1000), rest(images.KERNEL))
    async with website(*answers) as site:
        for _ in range(2):
            with pytest.raises(Trouble):
                await fetched(site.url, tmp_path)
        result = await fetched(site.url, tmp_path)

    assert (tmp_path / result.file).read_bytes() == images.KERNEL
    assert site.ranges == ["", "bytes=5000-", "bytes=6000-"]


async def test_a_part_from_before_the_power_was_lost_is_not_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with website(cut(images.KERNEL, 5000, **RESUMABLE), content(images.KERNEL)) as site:
        with pytest.raises(Trouble):
            await fetched(site.url, tmp_path)
        boot = tmp_path.parent / "boot"
        boot.write_text("another")
        monkeypatch.setattr(body, "BOOT", boot)
        await fetched(site.url, tmp_path)

    assert site.ranges == ["", ""]


async def test_a_whole_download_outlives_the_work_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def convert(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with website(content(images.RAW, **RESUMABLE), rest(images.RAW)) as site:
        with monkeypatch.context() as patch:
            patch.setattr(disk, "convert", convert)
            task = asyncio.create_task(fetched(site.url, tmp_path, kind="Disk"))
            await begun.wait()
            task.cancel()
            await asyncio.wait({task})
        result = await fetched(site.url, tmp_path, kind="Disk")

    assert (site.ranges, result.digest) == (["", f"bytes={len(images.RAW) - 1}-"], images.sha256(images.RAW))
    assert left(tmp_path) == [result.file]


async def test_work_that_is_interrupted_leaves_nothing_that_no_server_would_go_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def convert(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(disk, "convert", convert)
    async with website(content(images.RAW)) as site:
        with pytest.raises(asyncio.CancelledError):
            await fetched(site.url, tmp_path, kind="Disk")

    assert left(tmp_path) == []


async def test_a_server_that_drips_is_given_up_and_its_part_kept(tmp_path: Path) -> None:
    dripping = drip(images.KERNEL, 0.02, **RESUMABLE)

    assert await refused(tmp_path, dripping, stall_seconds=0.2, least_rate=8192) == "Stalled"
    assert len(left(tmp_path)) == 2


async def test_a_slow_server_that_is_fast_enough_is_waited_for(tmp_path: Path) -> None:
    async with website(drip(images.KERNEL[:60], 0.01)) as site:
        result = await fetched(site.url, tmp_path, stall_seconds=0.2, least_rate=10)

    assert result.size == 60


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(status(404), "HTTPStatus", id="not-there"),
        pytest.param(status(500), "HTTPStatus", id="broken"),
        pytest.param(status(206), "HTTPStatus", id="a-part-nobody-asked-for"),
        pytest.param(status(302, Location="file:///etc/passwd"), "RedirectRefused", id="redirect-to-a-file"),
        pytest.param(status(302, Location="/again"), "TooManyRedirects", id="redirects-without-end"),
        pytest.param(status(302, Location="http://[::1]/secret"), "HostNotAllowed", id="redirect-to-the-node"),
        pytest.param(status(302, Location="http://169.254.169.254/"), "HostNotAllowed", id="redirect-to-metadata"),
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


async def test_a_file_without_length_and_end_needs_a_checksum(tmp_path: Path) -> None:
    assert await refused(tmp_path, until_closed(images.KERNEL)) == "LengthUnknown"
    assert left(tmp_path) == []

    async with website(until_closed(images.KERNEL)) as site:
        result = await fetched(site.url, tmp_path, checksum=images.sha256(images.KERNEL))
    assert result.size == len(images.KERNEL)


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
    told: list[object] = []
    async with website(content(images.KERNEL)) as site:
        order = Order(site.url, tmp_path, kind="File", hosts="127.0.0.1")
        await fetch(order, lambda *words: told.append(words))

    assert told[-1] == ("Downloading", len(images.KERNEL), len(images.KERNEL))
