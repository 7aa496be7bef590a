"""A Kubernetes object as a cache holds it: small, immutable, its spec and status packed until somebody asks.

Five thousand machines are twenty-five thousand objects: packed they cost about their JSON, parsed about ten times that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from drover.api.base import Model
from drover.api.kinds import GROUP

SpecT = TypeVar("SpecT", bound=Model)
StatusT = TypeVar("StatusT", bound=Model)
Body = Mapping[str, Any]
"""A parsed JSON object of the API, at the edge only."""


@dataclass(frozen=True, slots=True)
class Key:
    """Name of an object within its kind; the namespace is empty for cluster-wide kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Meta:
    """The parts of ``metadata`` that decisions use."""

    key: Key
    uid: str
    resource_version: str
    generation: int
    created: str
    """creationTimestamp."""
    deleting: str
    """deletionTimestamp, empty while the object is wanted."""
    finalizers: tuple[str, ...]
    owner: str
    """uid of the controlling owner, empty without one."""
    labels: tuple[tuple[str, str], ...]
    """All labels, sorted: selectors of other objects may mean any of them."""
    annotations: tuple[tuple[str, str], ...]
    """Our own annotations only, sorted."""
    manager: str
    """Field manager that last wrote the spec, empty when unknown."""

    def annotation(self, name: str) -> str:
        """Value of our annotation `name` (without the prefix), empty when absent."""
        return dict(self.annotations).get(f"{GROUP}/{name}", "")


@dataclass(frozen=True, slots=True)
class Resource(Generic[SpecT, StatusT]):
    """One object of a kind of ours."""

    meta: Meta
    packed_spec: bytes
    packed_status: bytes
    models: tuple[type[SpecT], type[StatusT]]

    @property
    def spec(self) -> SpecT:
        """The spec, parsed anew at each call: take it once."""
        return self.models[0].model_validate_json(self.packed_spec)

    @property
    def status(self) -> StatusT:
        """The status, parsed anew at each call: take it once."""
        return self.models[1].model_validate_json(self.packed_status)


def pack(part: object) -> bytes:
    """Canonical JSON: equal content gives equal bytes."""
    return json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def pack_model(model: Model) -> bytes:
    """A model as the API would hold it: camelCase, nothing absent."""
    return pack(model.model_dump(mode="json", by_alias=True, exclude_none=True))


def read_meta(body: Body) -> Meta:
    """Take the metadata of any Kubernetes object."""
    meta = body["metadata"]
    owners = (owner["uid"] for owner in meta.get("ownerReferences", ()) if owner.get("controller"))
    return Meta(
        key=Key(meta.get("namespace", ""), meta["name"]),
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        generation=meta.get("generation", 0),
        created=meta.get("creationTimestamp", ""),
        deleting=meta.get("deletionTimestamp", ""),
        finalizers=tuple(meta.get("finalizers", ())),
        owner=next(owners, ""),
        labels=tuple(sorted((meta.get("labels") or {}).items())),
        annotations=_ours(meta.get("annotations") or {}),
        manager=_spec_manager(meta.get("managedFields", ())),
    )


def is_gone(body: Body) -> bool:
    """Tell whether the API server removed an object with the very write that it answers with this body."""
    meta = body["metadata"]
    waits = meta.get("finalizers") or meta.get("deletionGracePeriodSeconds")
    return bool(meta.get("deletionTimestamp")) and not waits


def read_resource(body: Body, spec: type[SpecT], status: type[StatusT]) -> Resource[SpecT, StatusT]:
    """Take one object of ours into the form the caches hold."""
    return Resource(read_meta(body), pack(body.get("spec", {})), pack(body.get("status", {})), (spec, status))


def _ours(pairs: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in pairs.items() if name.startswith(f"{GROUP}/")))


def _spec_manager(fields: object) -> str:
    entries = [entry for entry in fields if isinstance(entry, Mapping)] if isinstance(fields, (list, tuple)) else []
    writers = [entry for entry in entries if not entry.get("subresource") and "f:spec" in entry.get("fieldsV1", {})]
    newest = max(writers, key=lambda entry: str(entry.get("time", "")), default={})
    return str(newest.get("manager", ""))
