"""The cache of one kind: what is known of each object, never older than what was known before.

Watch, list, comparison and the answers to our own writes all tell about objects, in any order. Resource versions, which
grow with every change of the kind, decide whose word is newer.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

import structlog

from drover.state.resource import Key, Meta

log = structlog.stdlib.get_logger(__name__)

TOMBSTONES = 4096
"""Deletions that are remembered: late news of a deleted object comes within seconds."""


class Cached(Protocol):
    """What a cache holds: anything with metadata."""

    @property
    def meta(self) -> Meta:
        """Identity and version."""


T = TypeVar("T", bound=Cached)
Changed = Callable[[T | None, T | None], None]
"""Called with an object as it was and as it is; ``None`` for absence."""


def version(resource_version: str) -> int:
    """Read a resource version as the number it is; an absent one is older than any."""
    return int(resource_version or 0)


class Store(Generic[T]):
    """All objects of one kind by name and by the indexes given; not thread-safe."""

    def __init__(self, indexes: Mapping[str, Callable[[T], str]] | None = None) -> None:
        self.synced = False
        """Whether a complete list has been taken in."""
        self._objects: dict[Key, T] = {}
        self._read: dict[str, Callable[[T], str]] = dict(indexes or {})
        self._indexes: dict[str, dict[str, dict[Key, None]]] = {name: {} for name in self._read}
        self._tombstones: dict[str, int] = {}
        self._subscribers: list[Changed[T]] = []

    def get(self, key: Key) -> T | None:
        """Find an object by name."""
        return self._objects.get(key)

    def values(self) -> Iterable[T]:
        """All objects; the collection must not change while it is walked."""
        return self._objects.values()

    def names(self) -> Iterable[Key]:
        """Names of all objects, as they were at the call."""
        return tuple(self._objects)

    def by(self, index: str, value: str) -> tuple[T, ...]:
        """Find the objects for which the index gives `value`."""
        return tuple(self._objects[key] for key in self._indexes[index].get(value, ()))

    def values_of(self, index: str) -> Iterable[str]:
        """All that the index gives for any object, as it was at the call."""
        return tuple(self._indexes[index])

    def subscribe(self, callback: Changed[T]) -> None:
        """Have `callback` called with each change that is accepted."""
        self._subscribers.append(callback)

    def __len__(self) -> int:
        return len(self._objects)

    def observe(self, found: T) -> bool:
        """Take in an object that was seen; tell whether that was news."""
        meta = found.meta
        cached = self._objects.get(meta.key)
        known = version(cached.meta.resource_version) if cached else -1
        if version(meta.resource_version) <= max(known, self._tombstones.get(meta.uid, -1)):
            return False
        self._put(meta.key, cached, found)
        return True

    def observe_deleted(self, last: T) -> bool:
        """Take in that an object is gone, with its last state; tell whether that was news."""
        meta = last.meta
        self._bury(meta.uid, version(meta.resource_version))
        return self._remove(meta.key, lambda cached: cached.uid == meta.uid, version(meta.resource_version))

    def observe_absent(self, key: Key, moment: int) -> bool:
        """Take in that no object had this name at the resource version `moment`; tell whether that was news."""
        cached = self._objects.get(key)
        if cached and version(cached.meta.resource_version) <= moment:
            self._bury(cached.meta.uid, moment)
        return self._remove(key, lambda _: True, moment)

    def _remove(self, key: Key, same: Callable[[Meta], bool], moment: int) -> bool:
        cached = self._objects.get(key)
        if cached is None or not same(cached.meta) or version(cached.meta.resource_version) > moment:
            return False
        self._put(key, cached, None)
        return True

    def _bury(self, uid: str, moment: int) -> None:
        self._tombstones[uid] = max(moment, self._tombstones.pop(uid, 0))
        if len(self._tombstones) > TOMBSTONES:
            del self._tombstones[next(iter(self._tombstones))]

    def _put(self, key: Key, old: T | None, new: T | None) -> None:
        # Everything is read before anything changes: an index that cannot read an object leaves the store whole.
        moves = [(name, read(old) if old else "", read(new) if new else "") for name, read in self._read.items()]
        for name, before, after in moves:
            _reindex(self._indexes[name], key, before, after)
        if new is None:
            del self._objects[key]
        else:
            self._objects[key] = new
        for callback in self._subscribers:
            self._tell(callback, old, new)

    def _tell(self, callback: Changed[T], old: T | None, new: T | None) -> None:
        """Tell one of several; its failure must not keep the news from the others."""
        try:
            callback(old, new)
        except Exception:
            log.exception("a subscriber failed", object=str((new or old).meta.key))  # type: ignore[union-attr]


def _reindex(index: dict[str, dict[Key, None]], key: Key, old: str, new: str) -> None:
    if old == new:
        return
    if old:
        index[old].pop(key)
        if not index[old]:
            del index[old]
    if new:
        index.setdefault(new, {})[key] = None
