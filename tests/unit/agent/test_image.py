"""The cache of images."""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from drover.agent.fetch.order import Order, Result
from drover.agent.image import STALE_SECONDS, Images
from drover.agent.stock import UNFINISHED_SECONDS, Stock
from drover.agent.workers import Told, Wanted
from drover.api.domain import Artifact
from drover.errors import NotReady, OperatorError, Retryable
from drover.planning.imagecache import Rules
from drover.state.resource import Key

A, B = Key("shop", "a-1"), Key("shop", "b-1")
DIGEST = f"sha256:{'a' * 64}"
DISK = Wanted("shop/debian", Artifact(url="http://web/disk"), disk=True)
KERNEL = Wanted("shop/tiny", Artifact(url="http://web/vmlinuz"), disk=False)


class Download:
    """Fetches when it is told to, or fails."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go, self.begun = asyncio.Event(), asyncio.Event()
        self.error: OperatorError | None = None
        self.file = "file"
        self.told: Told = lambda _stage, _percent: None

    async def __call__(self, wanted: Wanted, folder: Path, told: Told) -> Result:
        self.asked.append(wanted.artifact.url)
        self.told = told
        self.begun.set()
        await self.go.wait()
        if self.error:
            raise self.error
        (folder / self.file).write_bytes(b"content")
        return Result(DIGEST, self.file, 7)


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
    assert images.path(KERNEL.artifact, disk=False, image=KERNEL.image).read_bytes() == b"content"


async def test_a_file_that_is_not_there_has_no_path(images: Images) -> None:
    with pytest.raises(NotReady):
        images.path(KERNEL.artifact, disk=False, image=KERNEL.image)


async def test_a_failure_is_told_and_tried_again_later(
    images: Images, download: Download, bell: Bell, now: list[float]
) -> None:
    download.error = Retryable("it has another checksum", reason="ChecksumMismatch")
    download.go.set()
    reason(images, A, KERNEL)
    await bell.event.wait()

    assert [reason(images, A, KERNEL) for _ in range(2)] == ["ChecksumMismatch", "ChecksumMismatch"]
    now[0] = 6.0
    download.go.clear()
    download.begun.clear()
    assert reason(images, A, KERNEL) == "ChecksumMismatch"
    await download.begun.wait()
    now[0] += STALE_SECONDS
    assert reason(images, A, KERNEL) == "Fetching"


def there(images: Images, artifact: Artifact, *, disk: bool) -> bool:
    with suppress(NotReady):
        return images.path(artifact, disk=disk, image="shop/any").is_file()
    return False


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

    assert there(images, artifact, disk=disk) is found


async def test_a_checksum_that_was_verified_is_remembered(images: Images, download: Download, bell: Bell) -> None:
    checked = Artifact(url="http://web/vmlinuz", checksum=f"sha512:{'c' * 128}")
    await held(images, download, bell, Wanted("shop/tiny", checked, disk=False))

    assert there(images, checked, disk=False)


async def test_what_is_held_survives_the_agent(images: Images, download: Download, bell: Bell, tmp_path: Path) -> None:
    await held(images, download, bell)
    again = Images(tmp_path, download, wake=bell, changed=lambda: None)
    again.load()

    assert again.reported() == images.reported()
    (tmp_path / "file").unlink()
    again.load()
    assert again.reported() == ()


async def test_a_file_that_somebody_deleted_is_fetched_again(
    images: Images, download: Download, bell: Bell, tmp_path: Path
) -> None:
    await held(images, download, bell)
    (tmp_path / "file").unlink()

    assert reason(images, A, KERNEL) == "Fetching"


async def test_an_index_that_cannot_be_read_is_as_none(images: Images, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{")
    images.load()

    assert images.reported() == ()


def test_what_nobody_goes_on_with_is_swept_away(tmp_path: Path) -> None:
    old, young = tmp_path / ".part-old", tmp_path / ".part-young"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    long_ago = time.time() - UNFINISHED_SECONDS - 60
    os.utime(old, (long_ago, long_ago))

    Stock(tmp_path).sweep()

    assert (old.exists(), young.exists()) == (False, True)


async def test_closing_ends_all_downloads(images: Images) -> None:
    reason(images, A, KERNEL)
    await asyncio.sleep(0)

    await images.close()

    assert len(asyncio.all_tasks()) == 1


async def failed(images: Images, download: Download, bell: Bell, wanted: Wanted = KERNEL) -> None:
    download.error = Retryable("the file has checksum x, not y", reason="ChecksumMismatch")
    download.go.set()
    reason(images, A, wanted)
    await bell.event.wait()


def troubles(images: Images) -> list[tuple[str, str, str, str]]:
    return [(each.image, each.url, each.wanted, each.reason) for each in images.reported()]


async def test_a_file_that_cannot_be_fetched_is_told_with_the_checksum_that_it_should_have(
    images: Images, download: Download, bell: Bell
) -> None:
    checked = Artifact(url="http://web/vmlinuz", checksum=DIGEST)
    await failed(images, download, bell, Wanted("shop/tiny", checked, disk=False))

    assert troubles(images) == [("shop/tiny", "http://web/vmlinuz", DIGEST, "ChecksumMismatch")]
    assert images.reported()[0].digest == ""


async def test_trouble_with_a_file_is_forgotten_when_it_was_fetched(
    images: Images, download: Download, bell: Bell, now: list[float]
) -> None:
    await failed(images, download, bell)
    download.error, now[0] = None, 6.0
    bell.event.clear()
    reason(images, A, KERNEL)
    await bell.event.wait()

    assert [(each.digest, each.reason) for each in images.reported()] == [(DIGEST, "")]


@pytest.mark.parametrize("other", [True, False], ids=["another-file", "nothing"])
async def test_trouble_with_a_file_is_forgotten_when_nobody_wants_it(
    images: Images, download: Download, bell: Bell, *, other: bool
) -> None:
    await failed(images, download, bell)

    if other:
        reason(images, A, Wanted("shop/other", Artifact(url="http://web/other"), disk=False))
    else:
        images.leave(A)

    assert troubles(images) == []
    await images.close()


async def test_trouble_with_a_file_is_told_as_long_as_one_of_many_wants_it(
    images: Images, download: Download, bell: Bell
) -> None:
    reason(images, B, KERNEL)
    await failed(images, download, bell)

    images.leave(A)

    assert len(troubles(images)) == 1


class Slow:
    """Fetches that do not end; counts how many are under way at once."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.under_way = self.most = 0
        self.six = asyncio.Event()

    async def __call__(self, wanted: Wanted, _folder: Path, _told: Told) -> Result:
        self.begun.append(wanted.image)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if len(self.begun) == 6:
            self.six.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.under_way -= 1
        raise AssertionError


async def test_a_fetch_that_takes_long_makes_way_for_others(tmp_path: Path) -> None:
    slow = Slow()
    images = Images(tmp_path, slow, wake=lambda _: None, changed=lambda: None, turn_seconds=0.01)
    reason(images, A, *(Wanted(f"shop/{each}", Artifact(url=f"http://web/{each}"), disk=False) for each in range(3)))

    await asyncio.wait_for(slow.six.wait(), 10)

    assert (set(slow.begun), slow.most) == ({"shop/0", "shop/1", "shop/2"}, 2)
    await images.close()


def test_an_iso_is_not_made_a_disk() -> None:
    wanted = Wanted("shop/cd", Artifact(url="http://web/cd.iso", type="ISO"), disk=False)

    assert wanted.kind == "ISO"


async def test_how_far_a_fetch_is_is_told_now_and_then(images: Images, download: Download, now: list[float]) -> None:
    reason(images, A, KERNEL)
    await download.begun.wait()
    seen: list[tuple[str | None, int | None]] = []
    for second, percent in ((1, 5), (3, 20), (8, 50), (13, 70)):
        now[0] = second
        download.told("Downloading", percent)
        seen += [(each.stage, each.percent) for each in images.reported()]

    assert seen == [("Downloading", 20), ("Downloading", 20), ("Downloading", 70)]


async def test_what_is_fetched_is_under_way_no_more(
    images: Images, download: Download, now: list[float], bell: Bell
) -> None:
    reason(images, A, KERNEL)
    await download.begun.wait()
    now[0] = 5.0
    download.told("Downloading", None)
    download.go.set()
    await bell.event.wait()

    assert [(each.stage, each.digest) for each in images.reported()] == [(None, DIGEST)]


async def test_what_took_a_secret_is_given_to_no_other_image(images: Images, download: Download, bell: Bell) -> None:
    private = Artifact(url="http://web/secret", checksum=DIGEST, secret="keys")
    download.go.set()
    reason(images, A, Wanted("shop/private", private, disk=True))
    await bell.event.wait()
    bell.event.clear()

    images.want(A, [Wanted("shop/private", private, disk=True)])
    public = Wanted("shop/other", Artifact(url="http://web/guessed", checksum=DIGEST), disk=True)
    assert reason(images, B, public) == "Fetching"
    await bell.event.wait()
    assert download.asked == ["http://web/secret", "http://web/guessed"]


async def test_who_wants_the_same_url_without_the_secret_waits_for_a_fetch_of_its_own(
    images: Images, download: Download, bell: Bell
) -> None:
    private, guessed = (Artifact(url="http://web/secret", secret=each) for each in ("keys", None))
    reason(images, A, Wanted("shop/private", private, disk=True))
    reason(images, B, Wanted("rival/guess", guessed, disk=True))
    download.go.set()
    await asyncio.gather(*(attempt.task for attempt in images._attempts.values() if attempt.task))

    assert download.asked == ["http://web/secret"] * 2
    assert {(held.image, held.private) for held in images._stock} == {("shop/private", True), ("rival/guess", False)}


async def test_of_two_files_from_one_url_each_image_is_given_its_own(
    images: Images, download: Download, bell: Bell
) -> None:
    guessed, private = (Artifact(url="http://web/secret", secret=each) for each in (None, "keys"))
    for name, artifact in (("rival/guess", guessed), ("shop/private", private)):
        download.file = name.replace("/", "-")
        await held(images, download, bell, Wanted(name, artifact, disk=True))
        bell.event.clear()

    found = (
        images.path(artifact, disk=True, image=each).name
        for artifact, each in ((guessed, "rival/guess"), (private, "shop/private"))
    )
    assert list(found) == ["rival-guess", "shop-private"]


async def test_each_image_is_told_of_by_itself_and_what_took_a_secret_is_not_for_others(
    images: Images, download: Download, bell: Bell
) -> None:
    guessed, private = (Artifact(url="http://web/secret", secret=each) for each in (None, "keys"))
    await held(images, download, bell, Wanted("shop/private", private, disk=True))
    bell.event.clear()
    await failed(images, download, bell, Wanted("rival/guess", guessed, disk=True))

    found = [(each.image, each.access, each.digest, each.reason) for each in images.reported()]
    assert found == [("rival/guess", "Own", "", "ChecksumMismatch"), ("shop/private", "Own", DIGEST, "")]


async def test_every_image_that_waits_for_a_file_is_told_why_it_does_not_come(
    images: Images, download: Download, bell: Bell
) -> None:
    reason(images, B, replace(KERNEL, image="shop/other"))
    await failed(images, download, bell)
    assert [each[0] for each in troubles(images)] == ["shop/other", "shop/tiny"]

    images.leave(B)
    assert [each[0] for each in troubles(images)] == ["shop/tiny"]


async def test_a_trouble_does_not_name_the_image_that_has_it(images: Images, download: Download, bell: Bell) -> None:
    download.error = Retryable("shop/tiny: no such host", reason="Unreachable")
    download.go.set()
    reason(images, A, KERNEL)
    await bell.event.wait()

    assert [each.message for each in images.reported()] == ["no such host"]


async def test_the_checksum_that_a_file_was_found_to_have_is_told(
    images: Images, download: Download, bell: Bell
) -> None:
    checked = Artifact(url="http://web/vmlinuz", checksum=f"sha512:{'c' * 128}")
    await held(images, download, bell, Wanted("shop/tiny", checked, disk=False))

    assert [(each.digest, each.checksum, each.access) for each in images.reported()] == [
        (DIGEST, checked.checksum, "Shared")
    ]


def test_two_who_fetch_from_one_url_do_not_write_to_one_file(tmp_path: Path) -> None:
    orders = [Order("http://web/secret", tmp_path, "Disk", owner=each) for each in ("", "shop/private", "rival/guess")]

    assert len({order.part for order in orders}) == 3


OLD = 30 * 86400.0


@pytest.fixture
async def old(images: Images, download: Download, bell: Bell) -> Path:
    """A disk that was fetched and not used for a month."""
    download.file = f"{'a' * 64}.qcow2"
    download.go.set()
    reason(images, A, DISK)
    await bell.event.wait()
    images.leave(A)
    return make_old(images)


def on_disk(path: Path) -> bool:
    return path.exists()


def make_old(images: Images) -> Path:
    stock = images._stock
    stock._held = [replace(held, used_at=time.time() - OLD) for held in stock]
    return stock.folder / next(iter(stock)).file


@pytest.mark.parametrize(
    ("named", "ordered", "stays"),
    [
        pytest.param((), (), False, id="nobody"),
        pytest.param(("a" * 64,), (), True, id="a volume, be its machine on or off"),
        pytest.param(("b" * 64,), (), False, id="a volume of another image"),
        pytest.param((), (DISK.artifact,), True, id="a Domain by its URL"),
        pytest.param((), (Artifact(url="http://mirror/x", checksum=DIGEST),), True, id="a Domain by its checksum"),
        pytest.param((), (Artifact(url="http://mirror/x"),), False, id="a Domain of another image"),
    ],
)
async def test_a_file_goes_when_nobody_has_needed_it_for_long(
    images: Images, old: Path, named: tuple[str, ...], ordered: tuple[Artifact, ...], *, stays: bool
) -> None:
    gone = images.tidy(frozenset(named), [(each, True) for each in ordered])

    assert (on_disk(old), gone) == (stays, () if stays else (old.name,))
    assert [each.digest for each in images.reported()] == ([DIGEST] if stays else [])


async def test_a_file_that_was_in_use_a_moment_ago_stays_a_while(images: Images, old: Path) -> None:
    assert images.tidy(frozenset({"a" * 64}), []) == ()
    assert images.tidy(frozenset(), []) == ()
    make_old(images)

    assert images.tidy(frozenset(), []) == (old.name,)


async def test_how_long_a_file_was_not_used_outlives_the_agent(images: Images, old: Path, download: Download) -> None:
    images._stock._write_index()
    again = Images(old.parent, download, wake=lambda _: None, changed=lambda: None)
    again.load()

    assert again.tidy(frozenset(), []) == (old.name,)


async def test_a_file_of_which_the_index_knows_nothing_goes_too(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, other = tmp_path / f"{'c' * 64}.iso", tmp_path / "somebodys.txt"
    for path in (left, other):
        path.touch()
    assert images.tidy(frozenset(), []) == ()

    monkeypatch.setattr(images, "rules", Rules(unused_seconds=0.0))
    assert images.tidy(frozenset(), []) == (left.name,)
    assert other.exists()
