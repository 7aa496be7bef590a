"""Requests as any account may send them, rightly or wrongly: raw, with the code and the words of the answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support import accounts
from tests.system.world import World

from drover.api.kinds import LEASE, Kind
from drover.kube.connection import Endpoint
from drover.kube.errors import Answer
from drover.kube.transport import APPLY, JSON, JSON_PATCH, MERGE_PATCH, Request, Transport
from drover.state.resource import Body, Key

OK, FORBIDDEN = 200, 403
FORCED = {"fieldManager": "caller", "force": "true"}


@dataclass(frozen=True)
class Caller:
    """Somebody who talks to the API server."""

    transport: Transport

    async def ask(self, request: Request) -> tuple[int, str]:
        """Send a request; gives code and message."""
        answer = await self.transport.send(request)
        return (answer.code, answer.message) if isinstance(answer, Answer) else (OK, "")

    async def merge(self, kind: Kind, key: Key, change: Body, part: str = "") -> tuple[int, str]:
        """Change some fields."""
        return await self.ask(Request("PATCH", kind.path(key.namespace, key.name, part), {}, change, MERGE_PATCH))

    async def verb(self, verb: str, kind: Kind, body: Body, part: str = "") -> tuple[int, str]:
        """Try a verb on an object that is there, writing what it holds already and a little more."""
        meta = body["metadata"]
        space, name = meta.get("namespace", ""), meta["name"]
        there, beside = kind.path(space, name, part), kind.path(space)
        more = {"metadata": {"annotations": {"example.com/touched": verb}}}
        whole = {**body, "apiVersion": kind.api_version, "kind": kind.name}
        lean = {**whole, "metadata": {"name": name, "namespace": space, **more["metadata"]}}
        requests = {
            "create": Request("POST", beside, {}, {**lean, "metadata": {**lean["metadata"], "name": f"{name}-new"}}),
            "update": Request("PUT", there, {}, {**whole, "metadata": {**meta, **more["metadata"]}}),
            "merge": Request("PATCH", there, {}, more | {"status": {}}, MERGE_PATCH),
            "json": Request(
                "PATCH", there, {}, [{"op": "add", "path": "/metadata/finalizers", "value": ["a/b"]}], JSON_PATCH
            ),
            "apply": Request("PATCH", there, FORCED, lean, APPLY),
            "delete": Request("DELETE", there, {}),
            "deletecollection": Request("DELETE", beside, {"fieldSelector": f"metadata.name={name}"}),
        }
        return await self.ask(requests[verb])


@asynccontextmanager
async def calling(endpoint: Endpoint) -> AsyncIterator[Caller]:
    """Connect somebody."""
    async with Transport(endpoint, user_agent="caller", limit=4) as transport:
        yield Caller(transport)


@asynccontextmanager
async def agent(world: World, node: str) -> AsyncIterator[Caller]:
    """Connect the agent of a node; of none when that is empty: with a token that is bound to nothing."""
    async with calling(accounts.endpoint(world, accounts.AGENT, node)) as caller:
        yield caller


def lease(node: str) -> Body:
    """Build the heartbeat of a node."""
    metadata = {"name": f"drover-node-{node}", "namespace": accounts.NAMESPACE}
    return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": {"holderIdentity": node}}


def domain(namespace: str, name: str, node: str) -> dict[str, Any]:
    """Build a Domain that nobody acts on."""
    spec = {
        "nodeName": node,
        "virtualMachine": {"name": "web", "uid": name},
        "uuid": "6f1a0c9e-0000-4000-8000-000000000002",
        "epoch": 1,
        "powerState": "Stopped",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 1,
        "machine": {"cores": 1, "memoryBytes": 1 << 27},
    }
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


__all__ = ["FORBIDDEN", "JSON", "OK", "Caller", "agent", "calling", "domain", "lease"]
