import asyncio
from pathlib import Path

import pytest

from drover.sandbox import cache


class Builder:
    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, aside: Path) -> None:
        self.times += 1
        await asyncio.sleep(0)
        (aside / "product").write_text("made")


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_two_builders_of_one_thing_build_it_once(tmp_path: Path) -> None:
    builder = Builder()

    await asyncio.gather(*(cache.built(tmp_path / "deep" / "thing", builder) for _ in range(2)))
    assert builder.times == 1
    assert (tmp_path / "deep" / "thing" / "product").read_text() == "made"


async def test_a_build_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    async def fail(aside: Path) -> None:
        (aside / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await cache.built(tmp_path / "thing", fail)
    assert names(tmp_path) == ["thing.lock"]


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")

    assert cache.root() == Path("/elsewhere/drover")


def test_a_digest_tells_where_one_part_ends() -> None:
    assert cache.digest(b"ab", b"c") != cache.digest(b"a", b"bc")
