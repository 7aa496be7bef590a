"""A container registry with one image, as far as pulling it goes."""

import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar"
FILE = "application/octet-stream"


def digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def tarred(files: Mapping[str, bytes]) -> bytes:
    """A layer with these files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return made.getvalue()


def manifest(layers: Sequence[bytes], kind: str = TAR) -> dict[str, Any]:
    described = [{"mediaType": kind, "digest": digest(layer), "size": len(layer)} for layer in layers]
    return {"schemaVersion": 2, "mediaType": MANIFEST, "layers": described}


@dataclass
class Registry:
    """Serves what it is given; with a `challenge` only to who shows `expected`."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    challenge: str = ""
    expected: str = ""
    host: str = ""
    asked: list[str] = field(default_factory=list)

    def push(self, tag: str, content: dict[str, Any], *layers: bytes) -> str:
        """Take an image in; give the digest of its manifest."""
        body = json.dumps(content).encode()
        self.manifests |= {tag: body, digest(body): body}
        self.blobs |= {digest(layer): layer for layer in layers}
        return digest(body)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/token":
            return web.json_response({"token": f"for {request.headers.get('Authorization', 'anybody')}"})
        if self.challenge and request.headers.get("Authorization") != self.expected:
            challenge = self.challenge.format(host=self.host)
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        _, kind, name = request.path.rsplit("/", 2)
        body = {"manifests": self.manifests, "blobs": self.blobs}[kind].get(name)
        return web.Response(status=404) if body is None else web.Response(body=body)


@asynccontextmanager
async def registry(**wishes: Any) -> AsyncIterator[Registry]:
    """Serve on a free port of this machine."""
    served = Registry(**wishes)
    application = web.Application()
    application.router.add_get("/{path:.*}", served.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.host = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield served
    finally:
        await runner.cleanup()
