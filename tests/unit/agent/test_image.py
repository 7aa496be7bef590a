"""The cache of images."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drover.agent.fetch.order import Result
from drover.agent.image import UNFINISHED_SECONDS, Images
from drover.agent.workers import Wanted
from drover.api.domain import Artifact
from drover.errors import NotReady, OperatorError, Retryable
from drover.state.resource import Key

A, B = Key("shop", "a-1"), Key("shop", "b-1")
DIGEST = f"sha256:{'a' * 64}"
KERNEL = Wanted("shop/tiny", Artifact(url="http://web/vmlinuz"), disk=False)


class Download:
    """Fetches when it is told to, or fails."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = asyncio.Event()
        self.error: OperatorError | None = None

    async def __call__(self, wanted: Wanted, folder: Path) -> Result:
        self.asked.append(wanted.artifact.url)
        await self.go.wait()
        if self.error:
            raise self.error
        (folder / "file").write_bytes(b"content")
        return Result(DIGEST, "file", 7)


class Bell:
    def __init__(self) -> None:
        self.rung: list[Key] = []
        self.event = asyncio.Event()

    def __call__(self, key: Key) -> None:
        self.rung.append(key)
        self.event.set()


@pytest.fixture
def download() -> Download:
    return Download()


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def images(tmp_path: Path, download: Download, bell: Bell, now: list[float]) -> Images:
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    made = Images(tmp_path, download, wake=bell, changed=lambda: None, clock=clock)
    made.load()
    return made


def reason(images: Images, key: Key, *wanted: Wanted) -> str:
    with pytest.raises(Retryable) as trouble:
        images.want(key, wanted)
    return trouble.value.reason


async def test_a_file_is_fetched_once_for_all_who_want_it_and_wakes_them(
    images: Images, download: Download, bell: Bell
) -> None:
    assert [reason(images, key, KERNEL) for key in (A, B)] == ["Fetching", "Fetching"]

    download.go.set()
    await bell.event.wait()

    images.want(A, [KERNEL])
    assert (download.asked, sorted(bell.rung, key=str)) == (["http://web/vmlinuz"], [A, B])
    assert images.path(KERNEL.artifact, disk=False).read_bytes() == b"content"


async def test_a_file_that_is_not_there_has_no_path(images: Images) -> None:
    with pytest.raises(NotReady):
        images.path(KERNEL.artifact, disk=False)


async def test_a_failure_is_told_and_tried_again_later(
    images: Images, download: Download, bell: Bell, now: list[float]
) -> None:
    download.error = Retryable("it has another checksum", reason="ChecksumMismatch")
    download.go.set()
    reason(images, A, KERNEL)
    await bell.event.wait()

    assert [reason(images, A, KERNEL) for _ in range(2)] == ["ChecksumMismatch", "ChecksumMismatch"]
    now[0] = 6.0
    assert (reason(images, A, KERNEL), len(download.asked)) == ("Fetching", 1)
    await asyncio.sleep(0)
    assert len(download.asked) == 2


async def held(images: Images, download: Download, bell: Bell, wanted: Wanted = KERNEL) -> None:
    reason(images, A, wanted)
    download.go.set()
    await bell.event.wait()


@pytest.mark.parametrize(
    ("artifact", "disk", "found"),
    [
        (Artifact(url="http://elsewhere/x", checksum=DIGEST), False, True),
        (Artifact(url="http://web/vmlinuz", checksum=f"sha256:{'b' * 64}"), False, False),
        (Artifact(url="http://web/vmlinuz"), True, False),
        (Artifact(url="http://web/other"), False, False),
    ],
    ids=["same-content", "other-content-wanted", "wanted-as-disk", "unknown"],
)
async def test_content_counts_more_than_where_it_came_from(
    images: Images, download: Download, bell: Bell, artifact: Artifact, *, disk: bool, found: bool
) -> None:
    await held(images, download, bell)

    assert (images.find(artifact, disk=disk) is not None) is found


async def test_a_checksum_that_was_verified_is_remembered(images: Images, download: Download, bell: Bell) -> None:
    checked = Artifact(url="http://web/vmlinuz", checksum=f"sha512:{'c' * 128}")
    await held(images, download, bell, Wanted("shop/tiny", checked, disk=False))

    assert images.find(checked, disk=False) is not None


async def test_what_is_held_survives_the_agent(images: Images, download: Download, bell: Bell, tmp_path: Path) -> None:
    await held(images, download, bell)
    again = Images(tmp_path, download, wake=bell, changed=lambda: None)
    again.load()

    assert again.held() == images.held()
    (tmp_path / "file").unlink()
    again.load()
    assert again.held() == ()


async def test_a_file_that_somebody_deleted_is_fetched_again(
    images: Images, download: Download, bell: Bell, tmp_path: Path
) -> None:
    await held(images, download, bell)
    (tmp_path / "file").unlink()

    assert reason(images, A, KERNEL) == "Fetching"


async def test_an_index_that_cannot_be_read_is_as_none(images: Images, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{")
    images.load()

    assert images.held() == ()


async def test_what_nobody_goes_on_with_is_swept_away(images: Images, tmp_path: Path) -> None:
    old, young = tmp_path / ".part-old", tmp_path / ".part-young"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    long_ago = time.time() - UNFINISHED_SECONDS - 60
    os.utime(old, (long_ago, long_ago))

    images.sweep()

    assert (old.exists(), young.exists()) == (False, True)


async def test_closing_ends_all_downloads(images: Images) -> None:
    reason(images, A, KERNEL)
    await asyncio.sleep(0)

    await images.close()

    assert len(asyncio.all_tasks()) == 1
