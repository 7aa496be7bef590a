"""What the volumes of storage pools have been promised, by namespace and node, however little they take."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drover.planning import quantity
from drover.planning.ownership import machine_uid
from drover.planning.view import DomainView, VolumeView


def promised(volume: VolumeView) -> int:
    """Bytes that a volume was promised: what a user asks for beyond what it has is no promise."""
    asked = quantity.whole(volume.spec.size) if volume.spec.size is not None else 0
    if machine_uid(volume.meta) or not volume.status.capacity:
        return max(asked, quantity.whole(volume.status.capacity or 0))
    return quantity.whole(volume.status.capacity)


def present(volume: VolumeView) -> int:
    """Size in bytes of a volume that has data."""
    return quantity.whole(volume.status.capacity or 0)


@dataclass(frozen=True, slots=True)
class Room:
    """What of a pool is promised, as one namespace sees it; bytes."""

    namespace: int = 0
    """To all volumes of the namespace."""
    nodes: Mapping[str, int] = field(default_factory=dict)
    """By node that has the data, or is about to."""
    ahead: Mapping[str, int] = field(default_factory=dict)
    """By volume of the namespace without data: to those that come before it and to itself."""
    granted: Mapping[str, int] = field(default_factory=dict)
    """By volume of the namespace that is to be larger than it says by itself: what its Domain gives it."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What one volume was promised."""

    namespace: str
    name: str
    pool: str
    node: str
    """Node that has its data, empty without one."""
    size: int
    created: str


@dataclass(frozen=True, slots=True)
class Place:
    """What a Domain gives to a volume."""

    node: str
    size: int


NOWHERE = Place("", 0)


class Ledger:
    """The promises of all pools; it follows volumes and Domains as they come and go."""

    def __init__(self) -> None:
        self._promises: dict[str, dict[tuple[str, str], Promise]] = {}
        self._places: dict[tuple[str, str], Place] = {}
        self.default = ""
        """Pool of the volumes that name none, as long as no node has their data."""

    def observe(self, old: VolumeView | None, new: VolumeView | None) -> frozenset[str]:
        """Follow a change of a volume; gives the pools where something else is promised now."""
        before, after = (_promise(each) if each else None for each in (old, new))
        if before == after:
            return frozenset()
        for each in (before,) if before else ():
            self._promises.get(each.pool, {}).pop((each.namespace, each.name), None)
        if after:
            self._promises.setdefault(after.pool, {})[after.namespace, after.name] = after
        return frozenset(each.pool or self.default for each in (before, after) if each) - {""}

    def place(self, old: DomainView | None, new: DomainView | None) -> None:
        """Follow a change of a Domain: its volumes will be where it is, and as large as it says."""
        for each in (old,) if old else ():
            for disk in each.spec.disks:
                key = (each.meta.key.namespace, disk.volume)
                if self._place(key).node == each.spec.node_name:
                    del self._places[key]
        for each in (new,) if new else ():
            for disk in each.spec.disks:
                place = Place(each.spec.node_name, disk.size_bytes or 0)
                self._places[each.meta.key.namespace, disk.volume] = place

    def room(self, pool: str, namespace: str) -> Room:
        """Sum up a pool for one namespace."""
        own = [(key, each) for key, each in self._in(pool) if each.namespace == namespace]
        granted = {each.name: self._place(key).size for key, each in own if self._place(key).size > each.size}
        total = sum(self._size(key, each) for key, each in own)
        return Room(total, self.nodes(pool), dict(self._ahead(each for _, each in own)), granted)

    def waiting(self, pool: str) -> Iterable[tuple[str, str]]:
        """List the volumes of a pool without data, by namespace and name."""
        return [key for key, each in self._in(pool) if not each.node]

    def nodes(self, pool: str) -> Mapping[str, int]:
        """Sum up a pool by node; those that no node has yet are under the empty name."""
        found: dict[str, int] = {}
        for key, each in self._in(pool):
            node = self._node(key, each)
            found[node] = found.get(node, 0) + self._size(key, each)
        return found

    def _in(self, pool: str) -> Iterator[tuple[tuple[str, str], Promise]]:
        """List what is promised in a pool; in the default pool that is also what names none."""
        yield from self._promises.get(pool, {}).items()
        if pool and pool == self.default:
            yield from self._promises.get("", {}).items()

    def _place(self, key: tuple[str, str]) -> Place:
        return self._places.get(key, NOWHERE)

    def _node(self, key: tuple[str, str], promise: Promise) -> str:
        return promise.node or self._place(key).node

    def _size(self, key: tuple[str, str], promise: Promise) -> int:
        return max(promise.size, self._place(key).size)

    def _ahead(self, promises: Iterable[Promise]) -> Iterator[tuple[str, int]]:
        """Put those with data first, then the older ones."""
        total = 0

        def rank(each: Promise) -> tuple[bool, str, str]:
            return not self._node((each.namespace, each.name), each), each.created, each.name

        for each in sorted(promises, key=rank):
            total += self._size((each.namespace, each.name), each)
            if not each.node:
                yield each.name, total


def _promise(volume: VolumeView) -> Promise:
    key = volume.meta.key
    pool = volume.status.pool or volume.spec.pool or ""
    return Promise(key.namespace, key.name, pool, volume.status.node_name or "", promised(volume), volume.meta.created)
