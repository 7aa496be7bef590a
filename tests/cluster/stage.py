"""A stage for the controller: a real control plane, Nodes kept by kwok, agents in memory, controllers as processes."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tests.cluster import controllers
from tests.cluster.controllers import Controller
from tests.support import accounts
from tests.support.fake_agent import FakeAgents
from tests.system.world import World

from drover.api import kinds
from drover.api.kinds import Kind
from drover.kube.client import Cluster
from drover.kube.connection import read_kubeconfig
from drover.kube.errors import Rejected
from drover.state.resource import Body, Key, read_meta

NODES = ("stage1", "stage2", "stage3")
PAUSE = 0.05
NUMBERS = count(1)
MUTATING = {"create", "update", "patch", "delete"}
READY = {"type": "Ready", "status": "True"}


@dataclass
class Stage:
    """What a test of the controller has in hand; everything it makes lies in a namespace of its own."""

    world: World
    cluster: Cluster
    agents: FakeAgents
    namespace: str
    processes: list[Controller] = field(default_factory=list)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    """What is closed when the stage is struck."""
    label: str = field(default_factory=lambda: f"drover-stage-{next(NUMBERS)}")

    def key(self, name: str) -> Key:
        """Name something in the namespace of the test."""
        return Key(self.namespace, name)

    async def make(self, name: str = "web", **spec: Any) -> str:
        """Create a machine; gives its uid."""
        metadata = {"name": name, "namespace": self.namespace}
        made = await self.cluster.create(kinds.VIRTUALMACHINE, {"metadata": metadata, "spec": spec})
        return str(made["metadata"]["uid"])

    async def change(self, name: str = "web", **spec: Any) -> None:
        """Change fields of a machine's spec."""
        await asyncio.to_thread(self.world.merge, "vm", name, {"spec": spec}, self.namespace)

    async def kubectl(self, *words: str) -> str:
        """Do as a user does, in the namespace of the test."""
        return await asyncio.to_thread(self.world.kubectl, *words, "-n", self.namespace)

    async def delete(self, kind: Kind, name: str) -> None:
        """Delete an object, as soon as it is known that nothing uses it any more."""

        async def accepted() -> bool:
            with suppress(Rejected):
                found = await self.cluster.get(kind, self.key(name))
                if found is not None:
                    await self.cluster.delete(kind, self.key(name), uid=read_meta(found).uid)
                return True
            return False

        await self.until(f"{kind.name} {name} to be let go", accepted)

    async def get(self, kind: Kind, name: str) -> Any:
        """Read an object; an empty one stands for none."""
        return await self.cluster.get(kind, self.key(name)) or {}

    async def all(self, kind: Kind) -> list[Body]:
        """List a kind in the namespace of the test."""
        return (await self.cluster.list(kind, namespace=self.namespace)).items

    async def until(self, what: str, look: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Look again and again until something truthy is seen."""
        seen: Any = None
        try:
            async with asyncio.timeout(seconds):
                while not (seen := await look()):  # noqa: ASYNC110 - it looks at what other processes do
                    await asyncio.sleep(PAUSE)
        except TimeoutError:
            machine = await self.get(kinds.VIRTUALMACHINE, "web")
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}: {machine.get('status')}") from None
        return seen

    async def reach(self, phase: str, name: str = "web", seconds: float = 30.0) -> Any:
        """Wait until a machine is in a phase, as of its present generation; gives its status."""

        async def look() -> Any:
            found = await self.get(kinds.VIRTUALMACHINE, name)
            status = found.get("status", {})
            current = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
            return status if current and status.get("phase") == phase else None

        return await self.until(f"{name} to be {phase}", look, seconds)

    async def says(self, condition: str, reason: str, name: str = "web") -> str:
        """Wait until a condition of a machine has a reason; gives its message."""

        async def look() -> Any:
            found = await self.get(kinds.VIRTUALMACHINE, name)
            told = found.get("status", {}).get("conditions", [])
            return next((each for each in told if (each["type"], each["reason"]) == (condition, reason)), None)

        return str((await self.until(f"{condition} {reason}", look))["message"])

    async def gone(self, kind: Kind, name: str = "web", seconds: float = 30.0) -> None:
        """Wait until an object is gone."""

        async def look() -> bool:
            return await self.cluster.get(kind, self.key(name)) is None

        await self.until(f"{kind.name} {name} to be gone", look, seconds)

    async def empty(self, seconds: float = 30.0) -> None:
        """Wait until nothing that is made for machines is left."""

        async def look() -> bool:
            made = [await self.all(kind) for kind in (kinds.VIRTUALMACHINE, kinds.DOMAIN, kinds.VOLUME, kinds.POD)]
            made.append([each for each in await self.addresses() if each])
            return not any(made)

        await self.until("nothing to be left", look, seconds)

    async def addresses(self) -> list[Body]:
        """Allocations of machines of the test's namespace."""
        items = (await self.cluster.list(kinds.ADDRESS)).items
        return [each for each in items if each["spec"]["virtualMachine"]["namespace"] == self.namespace]

    async def start(self, **environment: str) -> Controller:
        """Have one more controller, and wait until it leads; the first may be the one of the test before."""
        settings = {
            "DROVER_KUBECONFIG": str(accounts.kubeconfig(self.world, accounts.CONTROLLER)),
            "DROVER_HTTP_ADDRESS": "127.0.0.1:0",
            "DROVER_CLUSTER_DEFAULTS": "Skip",
            **environment,
        }
        log = self.world.state / "logs" / f"{self.label}-{len(self.processes)}.log"
        found = None if self.processes else await asyncio.to_thread(controllers.wake, settings)
        self.processes.append(found or controllers.begin(settings, log))

        async def leads() -> bool:
            return self.processes[-1].leads

        await self.until("the controller to lead", leads, 60.0)
        return self.processes[-1]

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """End all controllers."""
        for each in self.processes:
            await asyncio.to_thread(each.end, number)
        self.processes.clear()

    def leave(self) -> None:
        """Leave the controller to the next test, if there is one and nothing more."""
        if len(self.processes) == 1 and self.processes[0].lives:
            controllers.rest(self.processes.pop())

    def writes(self, name: str) -> Counter[str]:
        """Mutating calls of controllers and agents about objects of a machine, by what they were about."""
        return Counter(_calls(self.world.state / "logs" / "audit.log", self.namespace, name))


def _calls(log: Path, namespace: str, name: str) -> list[str]:
    calls = []
    for line in log.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line) if line.endswith("}") else {}
        about = entry.get("objectRef", {})
        ours = entry.get("userAgent", "").startswith("drover-") and entry.get("verb") in MUTATING
        counted = about.get("resource") not in {"leases", "events"} and entry.get("stage") == "ResponseComplete"
        its = about.get("namespace") == namespace and str(about.get("name", "")).startswith(name)
        if ours and counted and (its or about.get("resource") == "networkaddresses"):
            calls.append(f"{entry['verb']} {about['resource']}/{about.get('subresource', '')}")
    return calls


async def furnish(cluster: Cluster) -> None:
    """Make what all tests share: Nodes, a pool and a network."""
    for node in NODES:
        await _node(cluster, node)
    pool = {"type": "Directory", "directory": {"path": "/var/lib/drover/stage"}, "default": True}
    await cluster.apply(kinds.POOL, Key("", "default"), {"spec": pool}, manager="test")
    subnet = {"name": "v4", "cidr": "10.20.0.0/16", "gateway": "10.20.0.1"}
    network = {"type": "NAT", "default": True, "subnets": [subnet]}
    await cluster.apply(kinds.NETWORK, Key("", "default"), {"spec": network}, manager="test")


async def _node(cluster: Cluster, name: str) -> None:
    labels = {"drover.dev/fake-kubelet": "on", "drover.dev/hypervisor": "true", "kubernetes.io/hostname": name}
    await cluster.apply(kinds.NODE, Key("", name), {"metadata": {"labels": labels}}, manager="test")
    room = {"cpu": "64", "memory": "64Gi", "pods": "500"}
    status = {"capacity": room, "allocatable": room}
    await cluster.apply(kinds.NODE, Key("", name), {"status": status}, manager="test", subresource="status")


@asynccontextmanager
async def staged(world: World, *, lasting: bool = False, **agents: Any) -> AsyncIterator[Stage]:
    """Set the stage: agents are there, a controller is not yet; everything of the test is gone afterwards.

    The controller of a lasting one, if nothing failed, is left to the next that wants one of its kind.
    """
    endpoint = read_kubeconfig(world.state / "kubeconfig")
    stop = asyncio.Event()
    async with (
        Cluster(endpoint, user_agent="somebody", limit=64) as cluster,
        _agents(world, cluster, **agents) as theirs,
    ):
        stage = Stage(world, cluster, theirs, f"stage-{os.getpid()}-{next(NUMBERS)}")
        await cluster.create(kinds.NAMESPACE, {"metadata": {"name": stage.namespace}})
        acting = asyncio.create_task(stage.agents.run(stop))
        try:
            yield stage
            await _clear(stage)
            stage.leave() if lasting else None
        finally:
            await stage.stop()
            stop.set()
            await acting
            await stage.stack.aclose()


@asynccontextmanager
async def _agents(world: World, cluster: Cluster, **options: Any) -> AsyncIterator[FakeAgents]:
    await furnish(cluster)
    async with accounts.agents(world, NODES) as clients:
        yield FakeAgents(clients[NODES[0]], NODES, clients=clients, **options)


async def _clear(stage: Stage) -> None:
    """Delete what is left, machines before what they use; a controller must be there to let them go."""
    for kind in (kinds.VIRTUALMACHINE, kinds.VOLUME, kinds.IMAGE):
        for found in await stage.all(kind):
            await stage.delete(kind, read_meta(found).key.name)
        await stage.until(f"no {kind.plural} to be left", partial(_none, stage, kind), 60.0)
    await stage.empty(60.0)


async def _none(stage: Stage, kind: Kind) -> bool:
    return not await stage.all(kind)
