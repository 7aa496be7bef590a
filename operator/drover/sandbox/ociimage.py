"""Container images of one layer, written as OCI archives without any tool: files, owned by root, and a command."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

EXECUTABLE = 0o755
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
PLATFORM = {"architecture": "amd64", "os": "linux"}
REFERENCE = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


@dataclass(frozen=True, slots=True)
class Blobs:
    """What an archive holds, by digest."""

    contents: dict[str, bytes] = field(default_factory=dict)

    def add(self, kind: str, content: bytes) -> dict[str, object]:
        """Take in a blob and return its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        self.contents[digest] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


def write(target: Path, reference: str, files: Mapping[str, Path], entrypoint: Sequence[str]) -> None:
    """Write an image; ``files`` maps absolute paths in the image to the executables that stand there."""
    blobs = Blobs()
    layer = _tar({path.lstrip("/"): source.read_bytes() for path, source in files.items()})
    root = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    config = {**PLATFORM, "rootfs": root, "config": {"Entrypoint": list(entrypoint), "Env": ["PATH=/"]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blobs.add(CONFIG, _json(config)),
        "layers": [blobs.add(LAYER, gzip.compress(layer, 1, mtime=0))],
    }
    named = {"platform": PLATFORM, "annotations": dict.fromkeys(REFERENCE, reference)}
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [{**blobs.add(MANIFEST, _json(manifest)), **named}],
    }
    content = {f"blobs/sha256/{digest}": blob for digest, blob in blobs.contents.items()}
    layout = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    target.write_bytes(_tar(layout | content))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _tar(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of executables, with the directories they need, the same for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in _directories(files):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, EXECUTABLE
            archive.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), EXECUTABLE
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _directories(files: Mapping[str, bytes]) -> list[str]:
    return sorted({str(parent) for name in files for parent in PurePosixPath(name).parents if parent.name})
