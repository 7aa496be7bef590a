"""The last view on disk: what the API server said last, for the time when it does not answer.

One file an object, written when the object's orders change. A view from an earlier boot of the node is never read back:
what happened meanwhile, also to the machine's place, is not known.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog

from drover.api.kinds import Kind
from drover.state.resource import Body, Key, Resource

log = structlog.stdlib.get_logger(__name__)
AnyResource = Resource[Any, Any]


@dataclass(frozen=True, slots=True)
class LastView:
    """The files below `folder`, of this boot."""

    folder: Path
    boot_id: str

    def save(self, kind: Kind, found: AnyResource) -> None:
        """Keep an object; on a full disk what was kept before is dropped, for it is no order any more."""
        path = self._path(kind, found.meta.key)
        try:
            self._write(path, {"bootID": self.boot_id, "object": body(found)})
        except OSError as error:
            log.warning("cannot keep the last view", path=str(path), message=str(error))
            self.remove(kind, found.meta.key)

    def remove(self, kind: Kind, key: Key) -> None:
        """Forget an object."""
        with suppress(OSError):
            self._path(kind, key).unlink(missing_ok=True)

    def load(self, kind: Kind, read: Callable[[Body], AnyResource]) -> Iterator[AnyResource]:
        """Read back what this boot has seen; a file that cannot be read is as none."""
        for path in sorted((self.folder / kind.plural).glob("*.json")):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                if content["bootID"] == self.boot_id:
                    yield _whole(read(content["object"]))
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("cannot read the last view", path=str(path), message=str(error))

    def keep_only(self, kind: Kind, keys: frozenset[Key]) -> None:
        """Forget the objects that are not among these."""
        wanted = {self._path(kind, key) for key in keys}
        for path in (self.folder / kind.plural).glob("*.json"):
            if path not in wanted:
                path.unlink(missing_ok=True)

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(path)

    def _path(self, kind: Kind, key: Key) -> Path:
        # Names may be longer than a file's may be.
        return self.folder / kind.plural / f"{sha256(str(key).encode()).hexdigest()[:40]}.json"


def _whole(found: AnyResource) -> AnyResource:
    """Object to what another version of the agent wrote, and this one cannot read."""
    spec, status = found.models
    spec.model_validate_json(found.packed_spec)
    status.model_validate_json(found.packed_status)
    return found


def body(found: AnyResource) -> Mapping[str, Any]:
    """Write an object as the API would, as far as decisions need it."""
    meta = found.meta
    metadata = {
        "name": meta.key.name,
        "namespace": meta.key.namespace,
        "uid": meta.uid,
        "resourceVersion": meta.resource_version,
        "generation": meta.generation,
        "creationTimestamp": meta.created,
        "deletionTimestamp": meta.deleting,
        "finalizers": list(meta.finalizers),
        "annotations": dict(meta.annotations),
    }
    return {"metadata": metadata, "spec": json.loads(found.packed_spec), "status": json.loads(found.packed_status)}


def same_orders(one: AnyResource, other: AnyResource) -> bool:
    """Whether two views of an object ask for the same."""
    return (one.packed_spec, one.meta.uid, one.meta.deleting, one.meta.finalizers) == (
        other.packed_spec,
        other.meta.uid,
        other.meta.deleting,
        other.meta.finalizers,
    )
