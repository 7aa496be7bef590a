"""The verbs Drover uses on the Kubernetes API, one connection pool per process."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from drover.api.kinds import Kind
from drover.kube.connection import Endpoint
from drover.kube.errors import ABSENT, Answer, Conflict
from drover.kube.transport import APPLY, JSON, JSON_PATCH, LIST_LIMIT, MERGE_PATCH, Request, Transport, checked
from drover.state.resource import Body, Key, Meta, read_meta

PAGE = 500
"""Objects in one page of a list."""
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
ONE_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
CONFLICT = 409
GONE = 410
UNPROCESSABLE = 422
Written = Callable[[Kind, Body], None]
"""Called with each object that the API server returned for a write of ours."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list, or all of it: all pages of a list show the same moment."""

    items: list[Body]
    resource_version: str
    """The moment."""


def utc_now() -> datetime:
    """Read the wall clock."""
    return datetime.now(UTC)


class Cluster:
    """The API server as our processes use it; async context manager, one per process.

    Reads give ``None`` for what is not there. Writes raise what `drover.kube.errors` lists. What a write returns is
    handed to all callbacks given to `on_write`, so that caches know it before the watch tells them.
    """

    def __init__(
        self, endpoint: Endpoint, *, user_agent: str, limit: int = 32, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.endpoint = endpoint
        self.user_agent = user_agent
        self._transport = Transport(endpoint, user_agent=user_agent, limit=limit)
        self._clock = clock
        self._written: list[Written] = []

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.__aexit__()

    def now(self) -> datetime:
        """Tell the time in UTC: the only clock reconcilers use."""
        return self._clock()

    def on_write(self, callback: Written) -> None:
        """Have `callback` called with the kind and the object after each write that returned one."""
        self._written.append(callback)

    async def get(self, kind: Kind, key: Key, *, metadata_only: bool = False) -> Body | None:
        """Read one object."""
        accept = ONE_METADATA_ONLY if metadata_only else JSON
        return await self._read(Request("GET", kind.path(key.namespace, key.name), {}, accept=accept))

    async def list(
        self, kind: Kind, *, namespace: str = "", labels: str = "", fields: str = "", metadata_only: bool = False
    ) -> Listing:
        """Read all objects that match at one consistent moment; `pages` holds fewer at once."""
        items: list[Body] = []
        version = ""
        pages = self.pages(kind, namespace=namespace, labels=labels, fields=fields, metadata_only=metadata_only)
        async for page in pages:
            items += page.items
            version = page.resource_version
        return Listing(items, version)

    async def pages(
        self, kind: Kind, *, namespace: str = "", labels: str = "", fields: str = "", metadata_only: bool = False
    ) -> AsyncIterator[Listing]:
        """Read all objects that match, page by page; `Conflict` when the moment expired before the last page."""
        query = _without_empty(labelSelector=labels, fieldSelector=fields, limit=str(PAGE))
        accept = METADATA_ONLY if metadata_only else JSON
        path = kind.path(namespace)
        while True:
            answer = await self._transport.send(Request("GET", path, query, accept=accept, limit=LIST_LIMIT))
            if isinstance(answer, Answer) and answer.code == GONE:
                raise Conflict(f"the list of {kind.plural} took too long: {answer.message}")
            content = checked(answer)
            yield Listing(content.get("items") or [], content["metadata"]["resourceVersion"])
            token = content["metadata"].get("continue", "")
            if not token:
                return
            query = {**query, "continue": token}

    async def create(self, kind: Kind, body: Body) -> Body:
        """Create an object with the name in its metadata; `AlreadyExists` when the name is taken."""
        content = {"apiVersion": kind.api_version, "kind": kind.name, **body}
        path = kind.path(body["metadata"].get("namespace", ""))
        return self._wrote(kind, checked(await self._transport.send(Request("POST", path, {}, content))))

    async def apply(
        self, kind: Kind, key: Key, content: Body, *, manager: str, subresource: str = "", dry_run: bool = False
    ) -> Body | None:
        """Take possession of what `content` holds, as field manager `manager`, and drop what we held before.

        Creates what is not there, except through a subresource: that gives ``None``. A dry run stores nothing.
        """
        name = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
        metadata = {**content.get("metadata", {}), **name}
        body = {**content, "apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
        path = kind.path(key.namespace, key.name, subresource)
        query = {"fieldManager": manager, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        return await self._write(kind, Request("PATCH", path, query, body, APPLY))

    async def replace(self, kind: Kind, body: Body) -> Body | None:
        """Put a whole object in place of the version it was read at; `Conflict` when that is not the newest."""
        key = read_meta(body).key
        return await self._write(kind, Request("PUT", kind.path(key.namespace, key.name), {}, body))

    async def delete(self, kind: Kind, key: Key, *, uid: str, grace: int | None = None) -> None:
        """Delete the object that has this uid, its dependents in the background; one that is not there is fine."""
        options: dict[str, Any] = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        answer = await self._transport.send(Request("DELETE", kind.path(key.namespace, key.name), {}, options))
        if isinstance(answer, Answer) and (answer.absent or answer.code == CONFLICT):
            return
        self._wrote(kind, checked(answer))

    async def add_finalizer(self, kind: Kind, meta: Meta, finalizer: str) -> Body | None:
        """Add a finalizer, unless it is there; ``None`` when the object is gone or being deleted."""
        if meta.deleting:
            return None
        return await self._change_finalizers(
            kind, meta, lambda names: names if finalizer in names else (*names, finalizer)
        )

    async def remove_finalizer(self, kind: Kind, meta: Meta, finalizer: str) -> Body | None:
        """Remove a finalizer; ``None`` when the object is gone, be it with this last finalizer."""
        return await self._change_finalizers(
            kind, meta, lambda names: tuple(name for name in names if name != finalizer)
        )

    async def annotate(self, kind: Kind, meta: Meta, annotations: Mapping[str, str | None]) -> Body | None:
        """Set annotations of the object with this uid, remove those that are ``None``; gives ``None`` if it is gone."""
        return await self._merge(kind, meta, {"annotations": dict(annotations)})

    async def label(self, kind: Kind, meta: Meta, labels: Mapping[str, str | None]) -> Body | None:
        """Do the same with labels."""
        return await self._merge(kind, meta, {"labels": dict(labels)})

    async def count(
        self, kind: Kind, meta: Meta, counts: Mapping[str, str | None], annotations: Mapping[str, str | None]
    ) -> Body | None:
        """Set how many a node has of some resources, remove those that are ``None``, and annotate it with that."""
        status = {part: dict(counts) for part in ("capacity", "allocatable")}
        return await self._merge(kind, meta, {"annotations": dict(annotations)}, status=status)

    async def _merge(
        self, kind: Kind, meta: Meta, metadata: Mapping[str, Any], *, status: Mapping[str, Any] | None = None
    ) -> Body | None:
        path = kind.path(meta.key.namespace, meta.key.name, "status" if status else "")
        content = {"metadata": {"uid": meta.uid, **metadata}} | ({"status": status} if status else {})
        answer = await self._transport.send(Request("PATCH", path, {}, content, MERGE_PATCH))
        # Kinds differ in the code for a uid that is not the object's: 409, or 422 as it cannot be changed.
        if isinstance(answer, Answer) and (answer.absent or "uid" in answer.message.lower()):
            return None
        return self._wrote(kind, checked(answer))

    async def _change_finalizers(
        self, kind: Kind, meta: Meta, change: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> Body | None:
        answer = await self._patch_finalizers(kind, meta, change(meta.finalizers))
        if isinstance(answer, Answer) and answer.code in {CONFLICT, UNPROCESSABLE}:
            found = await self.get(kind, meta.key)
            if found is None or read_meta(found).uid != meta.uid:
                return None
            fresh = read_meta(found)
            names = change(fresh.finalizers)
            if fresh.deleting and len(names) > len(fresh.finalizers):
                return None
            answer = await self._patch_finalizers(kind, fresh, names)
        return self._finalized(kind, answer)

    async def _patch_finalizers(self, kind: Kind, meta: Meta, names: tuple[str, ...]) -> dict[str, Any] | Answer:
        path = kind.path(meta.key.namespace, meta.key.name)
        return await self._transport.send(Request("PATCH", path, {}, _finalizer_patch(meta, names), JSON_PATCH))

    def _finalized(self, kind: Kind, answer: dict[str, Any] | Answer) -> Body | None:
        if isinstance(answer, Answer) and answer.absent:
            return None
        if isinstance(answer, Answer) and answer.code == UNPROCESSABLE:
            raise Conflict(answer.message)
        meta = read_meta(content := self._wrote(kind, checked(answer)))
        return None if meta.deleting and not meta.finalizers else content

    async def _read(self, request: Request) -> Body | None:
        answer = await self._transport.send(request)
        if isinstance(answer, Answer) and (answer.absent or (answer.code == ABSENT and request.method == "GET")):
            return None
        return checked(answer)

    async def _write(self, kind: Kind, request: Request) -> Body | None:
        content = await self._read(request)
        return None if content is None else self._wrote(kind, content)

    def _wrote(self, kind: Kind, content: Body) -> Body:
        if content.get("kind") == kind.name:
            for callback in self._written:
                callback(kind, content)
        return content


def _finalizer_patch(meta: Meta, names: tuple[str, ...]) -> list[dict[str, Any]]:
    # A test against null holds for a field that is not there.
    return [
        {"op": "test", "path": "/metadata/uid", "value": meta.uid},
        {"op": "test", "path": "/metadata/finalizers", "value": list(meta.finalizers) or None},
        {"op": "add", "path": "/metadata/finalizers", "value": list(names)},
    ]


def _without_empty(**parameters: str) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value}
