"""The API server in memory: what Drover uses of it, with its versions, uids, finalizers, owners and refusals.

Every call passes a gate first and another after its effect: there a test may let others go first, or end the caller.
"""

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from drover.api.kinds import ENDPOINTSLICE, POD, TOKEN_REVIEW, Kind
from drover.kube.client import Listing
from drover.kube.connection import Endpoint
from drover.kube.errors import AlreadyExists, Conflict
from drover.state.resource import Body, Key, Meta, read_meta

Object = dict[str, Any]
Gate = Callable[[], Awaitable[None]]
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


async def open_gate() -> None:
    """Let everybody pass."""


@dataclass
class Etcd:
    """The objects, and everything that ever happened to them, in order."""

    objects: dict[tuple[Kind, Key], Object] = field(default_factory=dict)
    events: list[tuple[Kind, str, Object]] = field(default_factory=list)
    """Kind, ADDED, MODIFIED or DELETED, and the object then."""
    version: int = 0
    made: int = 0
    writes: int = 0
    """Mutating calls."""
    tokens: dict[str, Object] = field(default_factory=dict)
    """Whom each token stands for, as the status of its review."""

    def put(self, kind: Kind, key: Key, body: Object) -> Object:
        """Store a new version."""
        self.version += 1
        body = copy.deepcopy(body)
        body["metadata"]["resourceVersion"] = str(self.version)
        word = "MODIFIED" if (kind, key) in self.objects else "ADDED"
        self.objects[kind, key] = body
        self.events.append((kind, word, body))
        return body

    def drop(self, kind: Kind, key: Key) -> None:
        """Remove an object for good."""
        self.version += 1
        body = self.objects.pop((kind, key))
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        self.events.append((kind, "DELETED", body))

    def every(self, kind: Kind) -> list[tuple[Key, Object]]:
        """All objects of a kind."""
        return [(key, body) for (each, key), body in self.objects.items() if each == kind]

    def collect(self) -> bool:
        """Delete what belongs to owners that are gone, as the garbage collector does; tell whether there was any."""
        uids = {body["metadata"]["uid"] for body in self.objects.values()}
        done = False
        for (kind, key), body in list(self.objects.items()):
            owners = body["metadata"].get("ownerReferences", [])
            gone = owners and not any(owner["uid"] in uids for owner in owners)
            if gone and not body["metadata"].get("deletionTimestamp"):
                self.mark(kind, key, grace=86400 if kind == POD else None)
                done = True
        return done

    def mark(self, kind: Kind, key: Key, grace: int | None = None) -> Object | None:
        """Delete an object as the API server does: at once, or when its finalizers are off."""
        body = copy.deepcopy(self.objects[kind, key])
        meta = body["metadata"]
        if not meta.get("finalizers"):
            self.drop(kind, key)
            return None
        if meta.get("deletionTimestamp") and (grace is None or grace >= meta.get("deletionGracePeriodSeconds", 0)):
            return body
        meta["deletionTimestamp"] = "2026-11-21T12:00:00Z"
        if kind == POD:
            meta["deletionGracePeriodSeconds"] = grace if grace is not None else 86400
        return self.put(kind, key, body)


class FakeCluster:
    """One process's client of the API server in memory."""

    def __init__(self, etcd: Etcd, gate: Gate = open_gate) -> None:
        self.etcd = etcd
        self.gate = gate
        self.endpoint = Endpoint("https://server")
        self.moment = START
        self._written: list[Callable[[Kind, Body], None]] = []

    def now(self) -> datetime:
        """Tell a time that goes on by a second each time it is asked for."""
        self.moment += timedelta(seconds=1)
        return self.moment

    def on_write(self, callback: Callable[[Kind, Body], None]) -> None:
        self._written.append(callback)

    async def get(self, kind: Kind, key: Key, **_: Any) -> Body | None:
        await self.gate()
        return copy.deepcopy(self.etcd.objects.get((kind, key)))

    async def list(self, kind: Kind, *, namespace: str = "", labels: str = "", **_: Any) -> Listing:
        await self.gate()
        name, _equals, value = labels.partition("=")
        items = [
            copy.deepcopy(body)
            for key, body in self.etcd.every(kind)
            if (not namespace or key.namespace == namespace)
            and (not labels or body["metadata"].get("labels", {}).get(name) == value)
        ]
        return Listing(list(items), str(self.etcd.version))

    async def create(self, kind: Kind, body: Body) -> Body:
        await self._begin()
        if kind == TOKEN_REVIEW:
            return {**body, "status": self.etcd.tokens.get(body["spec"]["token"], {"authenticated": False})}
        key = Key(body["metadata"].get("namespace", ""), body["metadata"]["name"])
        if (kind, key) in self.etcd.objects:
            raise AlreadyExists(f"{key} already exists")
        self.etcd.made += 1
        new = {**copy.deepcopy(dict(body)), "apiVersion": kind.api_version, "kind": kind.name}
        new["metadata"] |= {
            "uid": f"uid-{self.etcd.made}",
            "generation": 1,
            "creationTimestamp": "2026-11-21T12:00:00Z",
        }
        return await self._end(kind, self.etcd.put(kind, key, new))

    async def apply(self, kind: Kind, key: Key, content: Body, *, manager: str, subresource: str = "") -> Body | None:
        await self._begin()
        found = copy.deepcopy(self.etcd.objects.get((kind, key)))
        if kind == ENDPOINTSLICE:
            body = {**copy.deepcopy(dict(content)), "kind": kind.name}
            body["metadata"] |= {"uid": f"uid-{key.name}", "generation": 1}
            return await self._end(kind, self.etcd.put(kind, key, body))
        if found is None:
            return None
        uid = content.get("metadata", {}).get("uid", found["metadata"]["uid"])
        if uid != found["metadata"]["uid"]:
            raise Conflict(f"{key} is another object")
        assert subresource == "status", f"{manager} may only apply statuses here"
        if found.get("status") == content["status"]:
            return await self._end(kind, found)
        found["status"] = copy.deepcopy(content["status"])
        return await self._end(kind, self.etcd.put(kind, key, found))

    async def replace(self, kind: Kind, body: Body) -> Body | None:
        await self._begin()
        meta = read_meta(body)
        found = self.etcd.objects.get((kind, meta.key))
        if found is None:
            return None
        if found["metadata"]["resourceVersion"] != meta.resource_version:
            raise Conflict(f"{meta.key} has changed")
        new = copy.deepcopy(dict(body))
        if new.get("spec") != found.get("spec"):
            new["metadata"]["generation"] += 1
        return await self._end(kind, self.etcd.put(kind, meta.key, new))

    async def delete(self, kind: Kind, key: Key, *, uid: str, grace: int | None = None) -> None:
        await self._begin()
        found = self.etcd.objects.get((kind, key))
        if found is None or found["metadata"]["uid"] != uid:
            return
        marked = self.etcd.mark(kind, key, grace)
        if marked is not None:
            await self._end(kind, marked)

    async def add_finalizer(self, kind: Kind, meta: Meta, finalizer: str) -> Body | None:
        await self._begin()
        found = self._same(kind, meta)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return None
        found["metadata"]["finalizers"] = sorted({*found["metadata"].get("finalizers", []), finalizer})
        return await self._end(kind, self.etcd.put(kind, meta.key, found))

    async def remove_finalizer(self, kind: Kind, meta: Meta, finalizer: str) -> Body | None:
        await self._begin()
        found = self._same(kind, meta)
        if found is None:
            return None
        left = [name for name in found["metadata"].get("finalizers", []) if name != finalizer]
        found["metadata"]["finalizers"] = left
        if not left and found["metadata"].get("deletionTimestamp"):
            self.etcd.drop(kind, meta.key)
            await self.gate()
            return None
        return await self._end(kind, self.etcd.put(kind, meta.key, found))

    async def annotate(self, kind: Kind, meta: Meta, annotations: Mapping[str, str | None]) -> Body | None:
        return await self._merge(kind, meta, "annotations", annotations)

    async def label(self, kind: Kind, meta: Meta, labels: Mapping[str, str | None]) -> Body | None:
        return await self._merge(kind, meta, "labels", labels)

    async def count(
        self, kind: Kind, meta: Meta, counts: Mapping[str, str | None], annotations: Mapping[str, str | None]
    ) -> Body | None:
        found = self._same(kind, meta)
        if found is not None:
            for part in ("capacity", "allocatable"):
                merged = {**found.setdefault("status", {}).get(part, {}), **counts}
                found["status"][part] = {name: count for name, count in merged.items() if count is not None}
            self.etcd.put(kind, meta.key, found)
        return await self._merge(kind, meta, "annotations", annotations)

    async def _merge(self, kind: Kind, meta: Meta, part: str, pairs: Mapping[str, str | None]) -> Body | None:
        await self._begin()
        found = self._same(kind, meta)
        if found is None:
            return None
        merged = {**found["metadata"].get(part, {}), **pairs}
        found["metadata"][part] = {name: value for name, value in merged.items() if value is not None}
        return await self._end(kind, self.etcd.put(kind, meta.key, found))

    def _same(self, kind: Kind, meta: Meta) -> Object | None:
        found = copy.deepcopy(self.etcd.objects.get((kind, meta.key)))
        return found if found is not None and found["metadata"]["uid"] == meta.uid else None

    async def _begin(self) -> None:
        await self.gate()
        self.etcd.writes += 1

    async def _end(self, kind: Kind, body: Object) -> Body:
        await self.gate()
        answer = copy.deepcopy(body)
        for callback in self._written:
            callback(kind, answer)
        return answer
