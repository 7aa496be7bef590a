"""Which files a node's image cache lets go: what nobody has needed for long, and more of it when room is short."""

from collections.abc import Iterable
from dataclasses import dataclass

GRACE_SECONDS = 900.0
"""What was used so lately stays, however short room is: somebody may be about to use it."""
SPARE_PERCENT = 5
"""Once room is short, so much more than is asked for is made free."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file of the cache."""

    name: str
    size: int
    used_at: float
    """When somebody was last seen to need it, in seconds."""
    in_use: bool


@dataclass(frozen=True, slots=True)
class Room:
    """The file system that holds the cache."""

    capacity: int
    free: int


@dataclass(frozen=True, slots=True)
class Rules:
    """When files go."""

    unused_seconds: float = 7 * 86400.0
    least_free_percent: int = 15
    look_seconds: float = 600.0
    """How often they are applied."""


def doomed(files: Iterable[CachedFile], room: Room, rules: Rules, *, now: float) -> tuple[str, ...]:
    """Name the files to delete; never one that is in use."""
    idle = sorted((each for each in files if not each.in_use), key=lambda each: (each.used_at, each.name))
    wanted = _missing(room, rules)
    gone: list[str] = []
    for each in idle:
        age = now - each.used_at
        if age >= rules.unused_seconds or (wanted > 0 and age >= GRACE_SECONDS):
            gone.append(each.name)
            wanted -= each.size
    return tuple(gone)


def _missing(room: Room, rules: Rules) -> int:
    """Bytes to make free."""
    if room.free * 100 >= room.capacity * rules.least_free_percent:
        return 0
    return room.capacity * (rules.least_free_percent + SPARE_PERCENT) // 100 - room.free
