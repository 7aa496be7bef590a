"""The bed: a sandbox of its own, a watch that notes when machines change, and the audit log."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from tests.system.world import Object, Tenant, World, make_kernel_image, make_machine

from drover.api.kinds import VIRTUALMACHINE, Kind
from drover.kube.client import Cluster
from drover.kube.connection import Endpoint, read_kubeconfig
from drover.kube.transport import open_session
from drover.state.resource import Key

AGENT = "drover-bench"
PATIENCE = 3600.0
WRITES = {"create", "update", "patch", "delete"}
HEARTBEATS = frozenset({"leases", "events"})
"""What says that something lives or happened: not counted."""
OF_NODES = HEARTBEATS | {"hypervisors", "storagepools", "virtualnetworks", "virtualmachineimages"}
"""Also what tells of nodes and shared things, not of one machine."""


@dataclass
class Sightings:
    """When each machine was first seen in each phase, and when it went, by the monotonic clock."""

    seen: dict[str, dict[str, float]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, event: Object) -> None:
        """Take in one watch event."""
        body = event["object"]
        marks = self.seen.setdefault(body["metadata"]["name"], {})
        phase = "Gone" if event["type"] == "DELETED" else body.get("status", {}).get("phase", "")
        marks.setdefault(phase, time.monotonic())
        marks["last"] = time.monotonic()
        self.changed.set()

    def compare(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Take in a list: what is there, and that what is not there went."""
        for body in bodies:
            self.note({"type": "MODIFIED", "object": dict(body)})
        for name in self.seen.keys() - {body["metadata"]["name"] for body in bodies}:
            self.note({"type": "DELETED", "object": {"metadata": {"name": name}}})

    async def all_in(self, names: Iterable[str], phase: str) -> list[float]:
        """Wait until each was seen in the phase; give the times."""
        wanted = list(names)
        async with asyncio.timeout(PATIENCE):
            while any(phase not in self.seen.get(name, {}) for name in wanted):
                self.changed.clear()
                await self.changed.wait()
        return [self.seen[name][phase] for name in wanted]


@dataclass(frozen=True)
class Bed:
    """A running sandbox and a connection to it."""

    world: World
    cluster: Cluster
    endpoint: Endpoint
    namespace: str = "bench"

    @property
    def tenant(self) -> Tenant:
        """The namespace of the benchmark."""
        return Tenant(self.world, self.namespace)

    async def create(self, name: str, **spec: Any) -> float:
        """Create a machine; give the time at which that was asked."""
        body = make_machine(name, **spec)
        body["metadata"]["namespace"] = self.namespace
        asked = time.monotonic()
        await self.cluster.create(VIRTUALMACHINE, body)
        return asked

    async def delete(self, name: str) -> float:
        """Delete a machine; give the time at which that was asked."""
        key = Key(self.namespace, name)
        found = await self.cluster.get(VIRTUALMACHINE, key)
        assert found is not None
        asked = time.monotonic()
        await self.cluster.delete(VIRTUALMACHINE, key, uid=found["metadata"]["uid"])
        return asked

    @asynccontextmanager
    async def watching(self, kind: Kind = VIRTUALMACHINE) -> AsyncIterator[Sightings]:
        """Note all changes of the machines of the namespace while the block runs."""
        sightings = Sightings()
        version = (await self.cluster.list(kind, namespace=self.namespace)).resource_version
        task = asyncio.create_task(self._follow(kind, version, sightings))
        try:
            yield sightings
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _follow(self, kind: Kind, version: str, sightings: Sightings) -> None:
        """Watch, and watch anew when the API server drops a watcher that was too slow for a burst."""
        while True:
            await self._watch(kind, version, sightings.note)
            listed = await self.cluster.list(kind, namespace=self.namespace)
            sightings.compare(listed.items)
            version = listed.resource_version

    async def _watch(self, kind: Kind, version: str, note: Callable[[Object], None]) -> None:
        query = {"watch": "1", "resourceVersion": version}
        url = self.endpoint.server + kind.path(self.namespace)
        async with open_session(self.endpoint, user_agent=AGENT, limit=2) as session:
            patience = aiohttp.ClientTimeout(total=None)
            async with session.get(url, params=query, timeout=patience) as answer:
                while (line := await answer.content.readline()) and (event := json.loads(line))["type"] != "ERROR":
                    note(event)

    def writes(self, since: int, skipped: frozenset[str] = HEARTBEATS) -> Counter[str]:
        """Count our own mutating calls in the audit log from that byte on, by role, verb and resource."""
        counted: Counter[str] = Counter()
        with (self.world.state / "logs" / "audit.log").open("rb") as log:
            log.seek(since)
            for line in log:
                event = json.loads(line)
                role = event["user"]["username"].rsplit(":", 1)[-1]
                target = event["objectRef"]
                if event["verb"] not in WRITES or not role.startswith("drover-"):
                    continue
                if target["resource"] in skipped:
                    continue
                name = "/".join(filter(None, (target["resource"], target.get("subresource"))))
                counted[f"{role} {event['verb']} {name}"] += 1
        return counted

    def audit_end(self) -> int:
        """Where the audit log ends now."""
        return (self.world.state / "logs" / "audit.log").stat().st_size

    def pid(self, component: str) -> int:
        """Process id of a component."""
        return int((self.world.state / "run" / f"{component}.pid").read_text().split()[0])


def pss(pid: int) -> float:
    """Memory of a process in MiB, shared pages divided among those that share them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return float("nan")


@asynccontextmanager
async def bed(state: Path, *words: str, kubelet: str = "Kwok") -> AsyncIterator[Bed]:
    """Bring a sandbox up for a benchmark and take it down afterwards."""
    world = World(state)
    world.sandbox("down", check=False)
    await asyncio.to_thread(world.sandbox, "up", "--kubelet", kubelet, "--no-quickstart", *words)
    endpoint = read_kubeconfig(world.state / "kubeconfig")
    world.kubectl("create", "namespace", "bench")
    world.kubectl("create", "namespace", "library")
    Tenant(world, "library").apply(make_kernel_image(allowedNamespaces={"from": "All"}))
    try:
        async with Cluster(endpoint, user_agent=AGENT) as cluster:
            yield Bed(world, cluster, endpoint)
    finally:
        world.sandbox("down", check=False)
