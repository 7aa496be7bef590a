"""Images in container registries: which layer of which manifest is to be fetched."""

import base64
import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp

from drover.agent.fetch.ask import answer
from drover.agent.fetch.order import Order, Request, Source, Trouble

LIMIT = 4 << 20
"""Bytes that a manifest or a token may have."""
OK, UNAUTHORIZED = 200, 401
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Place:
    """A repository, and what is wanted of it."""

    server: str
    """http(s)://host."""
    repository: str
    wanted: str
    """Tag or digest."""
    authorization: str = ""

    def request(self, kind: str, name: str, accept: str = "*/*") -> Request:
        """What to ask for a manifest or a blob."""
        secret = {"Authorization": self.authorization} if self.authorization else {}
        return Request(f"{self.server}/v2/{self.repository}/{kind}/{name}", secret, {"Accept": accept})


async def find(order: Order) -> Source:
    """Find the layer that holds the file; the digest of its manifest stands for it."""
    place = _place(order)
    place, body, digest = await _manifest(order, place, place.wanted)
    wanted = place.wanted if _DIGEST.fullmatch(place.wanted) else digest
    if digest != wanted:
        raise Trouble("ChecksumMismatch", f"the registry sent a manifest with digest {digest}, not {wanted}")
    manifest = _parsed(body)
    if manifest.get("mediaType") in INDEXES or "manifests" in manifest:
        child = _for_this_machine(manifest["manifests"])
        place, body, found = await _manifest(order, place, child)
        if found != child:
            raise Trouble("ChecksumMismatch", f"the registry sent a manifest with digest {found}, not {child}")
        manifest = _parsed(body)
    layer = _largest(manifest["layers"])
    return Source(
        place.request("blobs", layer["digest"]),
        checksum=layer["digest"],
        digest=digest.removeprefix("sha256:"),
        layered="tar" in layer.get("mediaType", ""),
    )


def _place(order: Order) -> Place:
    server, _, path = order.url.removeprefix("oci://").partition("/")
    named, _, digest = path.partition("@")
    repository, _, tag = named.partition(":")
    scheme = "http" if server in order.plain_registries else "https"
    return Place(f"{scheme}://{server}", repository, order.checksum or digest or tag or "latest")


async def _manifest(order: Order, place: Place, name: str) -> tuple[Place, bytes, str]:
    """Read a manifest; give it with its digest, and the place with the token that it took."""
    accept = ", ".join((*INDEXES, *MANIFESTS))
    status, headers, body = await _read(order, place.request("manifests", name, accept))
    if status == UNAUTHORIZED and not place.authorization:
        place = replace(place, authorization=await _authorize(order, place, headers.get("WWW-Authenticate", "")))
        status, _, body = await _read(order, place.request("manifests", name, accept))
    if status != OK:
        raise Trouble("HTTPStatus", f"the registry answered {status} when asked for {place.repository} {name}")
    return place, body, f"sha256:{hashlib.sha256(body).hexdigest()}"


async def _authorize(order: Order, place: Place, challenge: str) -> str:
    """Get what the registry wants to see: a name and password, or a token that somebody gives for them."""
    user = _user(order.credentials, urlsplit(place.server).netloc)
    basic = f"Basic {base64.b64encode(user.encode()).decode()}" if user else ""
    if not challenge.lower().startswith("bearer "):
        if not basic:
            raise Trouble("Unauthorized", "the registry wants to know who asks, and the image names no credentials")
        return basic
    told = dict(_CHALLENGE.findall(challenge))
    scope = {"service": told.get("service", ""), "scope": f"repository:{place.repository}:pull"}
    request = Request(f"{told['realm']}?{urlencode(scope)}", {"Authorization": basic} if basic else {})
    if place.server.startswith("https:") and not request.url.startswith("https:"):
        raise Trouble("RedirectRefused", "the registry asks for credentials to be sent without TLS")
    status, _, body = await _read(order, request)
    if status != OK:
        raise Trouble("Unauthorized", f"the registry gives no token: {status}")
    token = _parsed(body)
    return f"Bearer {token.get('token') or token['access_token']}"


def _user(credentials: Mapping[str, str], server: str) -> str:
    """Name and password with a colon between, empty without any."""
    if ".dockerconfigjson" in credentials:
        entry = _parsed(credentials[".dockerconfigjson"].encode())["auths"].get(server, {})
        packed = base64.b64decode(entry.get("auth", "")).decode()
        return packed or (f"{entry['username']}:{entry['password']}" if "username" in entry else "")
    return f"{credentials['username']}:{credentials['password']}" if "username" in credentials else ""


async def _read(order: Order, request: Request) -> tuple[int, Mapping[str, str], bytes]:
    async with answer(order, request) as response:
        return response.status, response.headers, await _body(response)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for data in response.content.iter_any():
        body += data
        if len(body) > LIMIT:
            raise Trouble("TooLarge", f"the registry's answer has more than {LIMIT} bytes")
    return bytes(body)


def _parsed(body: bytes) -> dict[str, Any]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise TypeError("not an object")
    return found


def _for_this_machine(manifests: Sequence[Mapping[str, Any]]) -> str:
    wanted = ARCHITECTURES.get(platform.machine(), platform.machine())
    for each in manifests:
        where = each.get("platform") or {}
        if where.get("os") in {None, "linux"} and where.get("architecture") == wanted:
            return str(each["digest"])
    raise Trouble("UnknownFormat", f"the registry has no image for {wanted}")


def _largest(layers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The layer with the disk: whatever else is in an image is smaller."""
    if not layers:
        raise Trouble("UnknownFormat", "the image has no layers")
    found = max(layers, key=lambda layer: int(layer["size"]))
    if not _DIGEST.fullmatch(found["digest"]):
        raise Trouble("UnknownFormat", f"the digest {found['digest'][:80]} is of no known kind")
    return found
