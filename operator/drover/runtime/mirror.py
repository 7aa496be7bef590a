"""One kind of the cluster, mirrored in a store: listed whole, followed by the watch, compared now and then."""

import asyncio
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from drover.api.kinds import Kind
from drover.kube.client import Cluster
from drover.runtime.selectors import selects
from drover.runtime.store import Cached, Store, version
from drover.state.resource import Body, Key, is_gone, read_meta

T = TypeVar("T", bound=Cached)
CATCH_UP_SECONDS = 1.0
"""The watch is given so long to bring what a comparison found newer than the store."""
FEW = 50
"""Up to so many objects are read one by one; with more, the kind is listed."""
log = structlog.stdlib.get_logger(__name__)


class UnknownField(Exception):
    """The API server does not select by a field that is watched by: a node's agent would see too much, or nothing."""


class HistoryRewritten(Exception):
    """The cluster's past is not the one we saw, as after a restore of its data: only a fresh start helps."""


@dataclass(frozen=True, slots=True)
class Watch(Generic[T]):
    """What is mirrored: a kind, the selectors that limit it, and how its objects are read and indexed.

    Selectors are of the form ``name=value``, labels also ``name`` alone, joined by commas.
    """

    kind: Kind
    read: Callable[[Body], T]
    labels: str = ""
    fields: str = ""
    indexes: Mapping[str, Callable[[T], str]] = field(default_factory=dict)


class Mirror(Generic[T]):
    """Keeps the store of one watch like the cluster."""

    def __init__(self, cluster: Cluster, watch: Watch[T]) -> None:
        self.watch = watch
        self.store: Store[T] = Store(watch.indexes)
        self.due = asyncio.Event()
        """Set when the next comparison should not wait for its time."""
        self.heard_at = self.answered_at = time.monotonic()
        """When the watch last brought something, and when the cluster last answered a list, in monotonic seconds."""
        self._cluster = cluster

    @property
    def name(self) -> str:
        """The kind as its definition is called."""
        kind = self.watch.kind
        return f"{kind.plural}.{kind.group}" if kind.group else kind.plural

    def read(self, body: Body) -> T | None:
        """Take a body into the form of the store; one that cannot be read is logged and left out."""
        try:
            return self.watch.read(body)
        except (ValueError, KeyError, TypeError):
            log.exception("an object cannot be read", kind=self.watch.kind.name, name=body["metadata"].get("name"))
            return None

    def take(self, found: T, *, deleted: bool = False) -> None:
        """Take in what the watch brought."""
        self.heard_at = time.monotonic()
        if deleted:
            self.store.observe_deleted(found)
        else:
            self.store.observe(found)

    def learn(self, body: Body) -> None:
        """Take in an object that the API server returned, if it is one of those that are watched."""
        if not selects(self.watch.labels, self.watch.fields, body):
            return
        found = self.read(body)
        if found is None:
            return
        if is_gone(body):
            self.store.observe_deleted(found)
        else:
            self.store.observe(found)

    async def load(self) -> None:
        """List everything into the store and drop from it what is not there."""
        present: set[Key] = set()
        moment = ""
        async for page in self._cluster.pages(self.watch.kind, labels=self.watch.labels, fields=self.watch.fields):
            moment = page.resource_version
            for body in page.items:
                if not selects("", self.watch.fields, body):
                    raise self.unknown_field("it gave objects of others too")
                present.add(read_meta(body).key)
                self.learn(body)
        self._drop(present, moment)
        self.store.synced = True
        self.answered_at = time.monotonic()

    def unknown_field(self, said: str) -> UnknownField:
        """Say that the API server does not select by the fields of this watch."""
        needed = "Kubernetes 1.31 or later, and the CRDs of this release (`drover crds apply`), are needed"
        return UnknownField(f"the API server does not select {self.name} by {self.watch.fields}: {said}; {needed}")

    async def compare(self) -> None:
        """Drop from the store what is not in the cluster any more, and bring in what the watch did not."""
        seen_before = self._newest()
        versions, moment = await self._versions()
        if version(moment) < seen_before:
            raise HistoryRewritten(f"{self.watch.kind.plural}: now at {moment}, but {seen_before} was seen")
        self.answered_at = time.monotonic()
        self._drop(versions.keys(), moment)
        if self._behind(versions):
            await asyncio.sleep(CATCH_UP_SECONDS)
            await self._fetch(self._behind(versions))

    async def _versions(self) -> tuple[dict[Key, int], str]:
        versions: dict[Key, int] = {}
        moment = ""
        watch = self.watch
        pages = self._cluster.pages(watch.kind, labels=watch.labels, fields=watch.fields, metadata_only=True)
        async for page in pages:
            moment = page.resource_version
            versions |= {
                Key(meta.get("namespace", ""), meta["name"]): version(meta["resourceVersion"])
                for meta in (body["metadata"] for body in page.items)
            }
        return versions, moment

    def _drop(self, present: AbstractSet[Key], moment: str) -> None:
        for key in self.store.names():
            if key not in present and self.store.observe_absent(key, version(moment)):
                log.info("an object vanished unnoticed", kind=self.watch.kind.name, object=str(key))

    def _newest(self) -> int:
        return max((version(cached.meta.resource_version) for cached in self.store.values()), default=0)

    def _behind(self, versions: Mapping[Key, int]) -> list[Key]:
        return [key for key, seen in versions.items() if self._known(key) < seen]

    def _known(self, key: Key) -> int:
        cached = self.store.get(key)
        return -1 if cached is None else version(cached.meta.resource_version)

    async def _fetch(self, keys: list[Key]) -> None:
        if len(keys) > FEW:
            await self.load()
            return
        for key in keys:
            # By list and not by name: it must still match the selectors.
            fields = ",".join(part for part in (self.watch.fields, f"metadata.name={key.name}") if part)
            listing = await self._cluster.list(
                self.watch.kind, namespace=key.namespace, labels=self.watch.labels, fields=fields
            )
            for body in listing.items:
                self.learn(body)
