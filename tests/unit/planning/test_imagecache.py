"""What an image cache lets go."""

import pytest

from drover.planning.imagecache import CachedFile, Room, Rules, doomed

NOW, DAY = 1_000_000.0, 86400.0
RULES = Rules(unused_seconds=7 * DAY, least_free_percent=15)
PLENTY, SHORT = Room(1000, 500), Room(1000, 50)


def file(name: str, *, age: float, size: int = 100, in_use: bool = False) -> CachedFile:
    return CachedFile(name, size, NOW - age, in_use)


@pytest.mark.parametrize(
    ("files", "room", "gone"),
    [
        pytest.param([file("a", age=8 * DAY)], PLENTY, ("a",), id="unused for long"),
        pytest.param([file("a", age=6 * DAY)], PLENTY, (), id="unused for a while"),
        pytest.param([file("a", age=8 * DAY, in_use=True)], SHORT, (), id="in use, whatever its age"),
        pytest.param([file("a", age=DAY), file("b", age=2 * DAY)], SHORT, ("b", "a"), id="short of room: oldest first"),
        pytest.param([file("a", age=DAY), file("b", age=2 * DAY, size=150)], SHORT, ("b",), id="no more than it takes"),
        pytest.param([file("a", age=60)], SHORT, (), id="used a moment ago"),
        pytest.param([file("a", age=-DAY)], SHORT, (), id="a clock that went back"),
        pytest.param([], SHORT, (), id="nothing there"),
    ],
)
def test_what_nobody_needs_goes_in_time(files: list[CachedFile], room: Room, gone: tuple[str, ...]) -> None:
    assert doomed(files, room, RULES, now=NOW) == gone
