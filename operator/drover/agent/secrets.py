"""Secrets that the guests of this node need, from the controller's node API: agents may read none themselves."""

import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from drover.agent.seed import Handed
from drover.api.cloudinit import SecretKey
from drover.api.domain import DomainDisk
from drover.api.kinds import CONFIG_MAP
from drover.errors import NotReady, Unavailable
from drover.kube.client import Cluster
from drover.planning import nodeapi, seed
from drover.planning.view import DomainView
from drover.runtime import certificate
from drover.state.resource import Key

TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)
LIMIT = 8 << 20
"""Bytes an answer may have: a Secret holds 1 MiB at most, and a seed names three."""
MISSING_SECONDS = 5.0
"""How soon a missing Secret is asked for again."""
OK, ABSENT = 200, 404
REASON = "NodeAPIUnavailable"


@dataclass(frozen=True, slots=True)
class NodeAPI:
    """The controller, as it says in the ConfigMap of its namespace."""

    cluster: Cluster
    namespace: str

    async def read(self, order: DomainView) -> Handed:
        """Read the Secrets that a Domain's seed names; `NotReady` when one is missing."""
        key = order.meta.key
        answer = await self._read(nodeapi.ROUTE.format(namespace=key.namespace, domain=key.name))
        secrets = dict(_secret(name, text) for name, text in answer["secrets"].items())
        for each in seed.secrets(order.spec.seed):
            if each not in secrets:
                # The machine was changed a moment ago, and its Domain not yet.
                raise Unavailable(f"the machine does not name Secret {each.name}, key {each.key}", reason=REASON)
        return Handed(secrets, answer.get("versions") or {})

    async def credentials(self, domain: Key, image: str, secret: str) -> dict[str, str]:
        """Read the Secret that it takes to fetch an image for a Domain; `NotReady` when it is missing."""
        owner, _, name = image.partition("/")
        answer = await self._read(
            nodeapi.IMAGE_ROUTE.format(
                namespace=domain.namespace, domain=domain.name, owner=owner, image=name, secret=secret
            )
        )
        try:
            # An editor leaves a line end behind, which is part of no credential.
            found = answer["secrets"].items()
            return {key: base64.b64decode(text).decode().rstrip("\r\n") for key, text in found}
        except UnicodeDecodeError as error:
            raise NotReady(f"Secret {secret} of image {image} is not text", reason="CredentialsInvalid") from error

    async def passphrase(self, order: DomainView, disk: DomainDisk, key: SecretKey) -> bytes:
        """Read what opens an encrypted disk of a Domain; `NotReady` when the Secret or its key is missing."""
        place = order.meta.key
        route = nodeapi.KEY_ROUTE.format(namespace=place.namespace, domain=place.name, volume=disk.volume)
        try:
            secrets = dict(_secret(name, text) for name, text in (await self._read(route))["secrets"].items())
        except NotReady as error:
            raise NotReady(f"disk {disk.name}: {error}", reason=error.reason, delay=error.delay) from error
        if key not in secrets:
            # The volume was made anew a moment ago, and its Domain not yet.
            raise Unavailable(f"volume {disk.volume} does not name Secret {key.name}, key {key.key}", reason=REASON)
        return secrets[key]

    async def pool_key(self, pool: str, key: SecretKey) -> bytes:
        """Read what lets nodes into the Ceph cluster of a pool; `NotReady` when the Secret or its key is missing."""
        answer = await self._read(nodeapi.POOL_ROUTE.format(pool=pool))
        secrets = dict(_secret(name, text) for name, text in answer["secrets"].items())
        if key not in secrets:
            # The pool was changed a moment ago.
            raise Unavailable(f"pool {pool} does not name Secret {key.name}, key {key.key}", reason=REASON)
        return secrets[key]

    async def _read(self, route: str) -> Mapping[str, Any]:
        address, pem = await self._place()
        try:
            code, answer = await self._ask(f"https://{address}{route}", certificate.trusting(pem))
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError, ValueError) as error:
            words = f"the controller at {address} does not answer: {type(error).__name__}"
            raise Unavailable(words, reason=REASON) from error
        if code == ABSENT and answer.get("reason") == "SecretNotFound":
            raise NotReady(str(answer.get("message")), reason="SecretNotFound", delay=MISSING_SECONDS)
        if code != OK:
            raise Unavailable(f"the controller at {address} refuses: {answer.get('message')}", reason=REASON)
        return answer

    async def _place(self) -> tuple[str, str]:
        found = await self.cluster.get(CONFIG_MAP, Key(self.namespace, nodeapi.CONFIG_MAP_NAME))
        data = (found or {}).get("data") or {}
        if not data.get("address") or not data.get("certificate"):
            raise Unavailable("no controller says where its node API is", reason=REASON)
        return data["address"], data["certificate"]

    async def _ask(self, url: str, context: ssl.SSLContext) -> tuple[int, dict[str, Any]]:
        token = self.cluster.endpoint.token
        headers = {"Authorization": f"Bearer {token.read()}"} if token else {}
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, headers=headers) as session,
            session.get(url, ssl=context, server_hostname=nodeapi.SERVER_NAME, allow_redirects=False) as response,
        ):
            return response.status, json.loads(await _body(response))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LIMIT:
            raise ValueError("the answer is too long")
    return bytes(body)


def _secret(name: str, text: str) -> tuple[SecretKey, bytes]:
    secret, _, key = name.partition("/")
    return SecretKey(name=secret, key=key), base64.b64decode(text)
