"""A cluster in memory with two controllers that both believe they lead, a scheduler, agents, users and accidents."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.support.fake_agent import FakeAgents
from tests.support.fake_caches import FakeCaches
from tests.support.fake_cluster import Etcd, FakeCluster

from drover.api import kinds
from drover.api.kinds import Kind
from drover.controllers import address, plugin, virtualmachine, volume
from drover.controllers.hypervisor import Heartbeats
from drover.controllers.patience import Patience
from drover.controllers.watches import stores
from drover.controllers.wiring import connect
from drover.controllers.world import World
from drover.errors import OperatorError
from drover.planning.resolve import Policy
from drover.runtime.settings import ControllerSettings
from drover.runtime.workqueue import WorkQueue
from drover.state.resource import Key

NODES = ("n1", "n2")
WEB = Key("shop", "web")
SHARED = (kinds.IMAGE, kinds.POOL, kinds.NETWORK, kinds.SECURITYGROUP, kinds.SERVICE)
RECONCILERS: dict[Kind, Any] = {
    kinds.VIRTUALMACHINE: virtualmachine.reconcile,
    kinds.VOLUME: volume.reconcile,
    kinds.PLUGIN: plugin.reconcile,
}


class Crash(BaseException):
    """The process was killed."""


class Sight(Heartbeats):
    """Which nodes are silent, as the story says."""

    def __init__(self, dark: set[str]) -> None:
        super().__init__(40.0)
        self._dark = dark

    @property
    def silent(self) -> frozenset[str]:
        return frozenset(self._dark)

    def is_quiet(self, node: str) -> bool:
        return node in self._dark

    def is_heard(self, node: str) -> bool:
        return node not in self._dark


@dataclass
class Controller:
    """One controller process."""

    etcd: Etcd
    chance: Random
    dark: set[str]
    life: int = 1 << 30
    """Calls until it dies."""
    sight: Callable[[set[str]], Heartbeats] = Sight

    def __post_init__(self) -> None:
        self.cluster = FakeCluster(self.etcd, self._gate)
        self.caches = FakeCaches(self.etcd, self.cluster)
        self.clock = 0.0
        self.world = World(
            cluster=self.cluster,  # type: ignore[arg-type]
            settings=ControllerSettings(),
            caches=self.caches,
            stores=stores(self.caches),
            policy=Policy(anchor_image="anchor"),
            heartbeats=self.sight(self.dark),
            patience=Patience(clock=lambda: self.clock),
        )
        self.queues: dict[Kind, WorkQueue[Key]] = {
            kind: WorkQueue(clock=lambda: self.clock) for kind in (*RECONCILERS, *SHARED)
        }
        connect(self.world, self.queues)
        self.caches.hear()

    async def _gate(self) -> None:
        self.life -= 1
        if self.life <= 0:
            raise Crash
        for _ in range(self.chance.randrange(3)):
            await asyncio.sleep(0)

    async def step(self) -> bool:
        """Reconcile one object; tell whether there was one."""
        for kind, reconcile in RECONCILERS.items():
            key = self.queues[kind].take()
            if key is not None:
                await self._reconcile(kind, key, reconcile)
                return True
        return False

    async def _reconcile(self, kind: Kind, key: Key, reconcile: Any) -> None:
        queue = self.queues[kind]
        try:
            delay = await reconcile(key, self.world)
        except OperatorError:
            queue.retry(key)
        else:
            if delay is not None:
                queue.add_after(key, delay)
        finally:
            queue.done(key)


@dataclass
class Cosmos:
    """Everything."""

    chance: Random
    etcd: Etcd = field(default_factory=Etcd)
    access: str = "NodeLocal"
    """Who sees the bytes of a disk."""
    uids: list[str] = field(default_factory=list)
    """Machines there ever were."""

    def __post_init__(self) -> None:
        self.client = FakeCluster(self.etcd)
        self.agents = FakeAgents(self.client, NODES)  # type: ignore[arg-type]
        self.controllers = [self.found_controller() for _ in range(2)]

    def found_controller(self) -> Controller:
        """Start a controller."""
        return Controller(self.etcd, self.chance, self.agents.muted)

    async def furnish(self) -> None:
        """Make what machines refer to."""
        await self.client.create(kinds.NAMESPACE, {"metadata": {"name": "shop"}})
        await self.client.create(kinds.CRD, {"metadata": {"name": "virtualmachines.drover.dev"}})
        for node in NODES:
            await self.client.create(kinds.NODE, {"metadata": {"name": node}})
            body = {"metadata": {"name": node}, "spec": {}, "status": {"bootID": node}}
            await self.client.create(kinds.HYPERVISOR, body)
        pool = {"type": "Directory", "directory": {"path": "/pool"}, "default": True, "access": self.access}
        seen = {"nodes": [{"name": node, "ready": True} for node in NODES]}
        await self.client.create(kinds.POOL, {"metadata": {"name": "default"}, "spec": pool, "status": seen})
        subnet = {"name": "v4", "cidr": "10.20.0.0/28", "gateway": "10.20.0.1"}
        network = {"type": "NAT", "default": True, "subnets": [subnet]}
        await self.client.create(kinds.NETWORK, {"metadata": {"name": "default"}, "spec": network})

    # --- what users do -----------------------------------------------------------------------------------------------

    def machine(self) -> dict[str, Any] | None:
        """The machine as the API has it."""
        return self.etcd.objects.get((kinds.VIRTUALMACHINE, WEB))

    async def create(self, **spec: Any) -> None:
        """Apply the machine, unless it is there."""
        if self.machine() is None:
            content = {"powerState": "Running", "restartPolicy": "Never"} | spec
            metadata = {"name": WEB.name, "namespace": WEB.namespace}
            made = await self.client.create(kinds.VIRTUALMACHINE, {"metadata": metadata, "spec": content})
            self.uids.append(made["metadata"]["uid"])

    def change(self, **spec: Any) -> None:
        """Change the machine's spec."""
        found = self.machine()
        if found is not None:
            meta = {**found["metadata"], "generation": found["metadata"]["generation"] + 1}
            body = {**found, "metadata": meta, "spec": {**found["spec"], **spec}}
            self.etcd.put(kinds.VIRTUALMACHINE, WEB, body)

    def annotate(self, name: str) -> None:
        """Ask for a start or a restart."""
        found = self.machine()
        if found is not None:
            notes = {**found["metadata"].get("annotations", {}), f"drover.dev/{name}": str(self.etcd.version)}
            self.etcd.put(kinds.VIRTUALMACHINE, WEB, {**found, "metadata": {**found["metadata"], "annotations": notes}})

    def delete(self, kind: Kind = kinds.VIRTUALMACHINE) -> None:
        """Delete all objects of a kind."""
        for key, body in self.etcd.every(kind):
            self.etcd.mark(kind, key, grace=86400)
            assert body

    # --- what the cluster does ---------------------------------------------------------------------------------------

    def schedule(self) -> bool:
        """Bind the pods that are not bound; end those whose place was given up; tell whether there were any."""
        return True in [self._schedule(key, pod) for key, pod in self.etcd.every(kinds.POD)]

    def _schedule(self, key: Key, pod: dict[str, Any]) -> bool:
        if pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp"):
            return False
        affinity = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        allowed = self.schedulable()
        for expression in affinity["nodeSelectorTerms"][0]["matchExpressions"]:
            if expression["key"] == "kubernetes.io/hostname":
                named = set(expression["values"])
                allowed = allowed & named if expression["operator"] == "In" else allowed - named
        if not allowed:
            return False
        condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-21T12:00:00Z"}
        bound = {**pod["spec"], "nodeName": self.chance.choice(sorted(allowed))}
        status = {"phase": "Running", "conditions": [condition]}
        self.etcd.put(kinds.POD, key, {**pod, "spec": bound, "status": status})
        return True

    def schedulable(self) -> set[str]:
        """Nodes that the scheduler thinks well of."""
        return set(NODES) - self.agents.muted

    def darken(self, node: str) -> None:
        """Let a node fall silent, with all that runs there."""
        self.agents.muted.add(node)

    def light(self, node: str) -> None:
        """Let a node come back."""
        self.agents.muted.discard(node)

    def fail(self) -> None:
        """Let the kubelet kill all anchors."""
        for key, pod in self.etcd.every(kinds.POD):
            self.etcd.put(kinds.POD, key, {**pod, "status": {**pod.get("status", {}), "phase": "Failed"}})

    async def act(self) -> bool:
        """Let the agents do all they can; tell whether they wrote anything."""
        before = self.etcd.version
        self.agents._domains = dict(self.etcd.every(kinds.DOMAIN))
        self.agents._volumes = dict(self.etcd.every(kinds.VOLUME))
        for key in list(self.agents._domains):
            await self.agents._domain(key)
        self.agents._domains = dict(self.etcd.every(kinds.DOMAIN))
        for key in list(self.agents._volumes):
            await self.agents._volume(key)
        return self.etcd.version != before

    def restart(self, number: int) -> None:
        """Kill a controller and start another."""
        self.controllers[number] = self.found_controller()

    async def run(self, number: int, steps: int, life: int) -> None:
        """Let a controller reconcile a few objects; it dies after so many calls and is started again."""
        controller = self.controllers[number]
        controller.life = life
        try:
            for _ in range(steps):
                await controller.step()
        except Crash:
            self.restart(number)
        else:
            controller.life = 1 << 30

    async def progress(self, number: int) -> None:
        """Let one controller hear and do all it can, and the cluster follow, while the other one sleeps."""
        controller = self.controllers[number]
        for _ in range(3):
            controller.caches.hear()
            while await controller.step():
                pass
            self.schedule()
            await self.act()
        controller.caches.hear()

    async def settle(self, pause: float = 61.0) -> None:
        """Let everybody work until nothing happens any more; so many seconds pass from round to round."""
        for node in NODES:
            self.light(node)
        for _ in range(60):
            if not await self._round(pause):
                return
        raise AssertionError("it never came to rest")

    async def _round(self, pause: float) -> bool:
        before = self.etcd.version
        for controller in self.controllers:
            controller.caches.hear()
            controller.clock += pause
            while await controller.step():
                pass
            await address.sweep(controller.world)
        self.schedule()
        await self.act()
        self.etcd.collect()
        heard = True in [controller.caches.hear() for controller in self.controllers]
        return heard or self.etcd.version != before or any(map(_busy, self.controllers))

    # --- what must hold ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Never two Domains for a machine, never two guests."""
        assert self.agents.doubles == []
        for uid in self.uids:
            owners = [
                body
                for _, body in self.etcd.every(kinds.DOMAIN)
                if body["spec"]["uuid"] == uid and not self._is_trace(body)
            ]
            assert len(owners) <= 1, f"{len(owners)} Domains for {uid}"

    def _is_trace(self, domain: dict[str, Any]) -> bool:
        """Tell whether a Domain only waits for its node to clear up."""
        node = domain["spec"]["nodeName"]
        guest = self.agents.hosts[node].guests.get(domain["spec"]["uuid"])
        off = guest is None or guest.state not in {"Running", "Paused"} or guest.epoch != domain["spec"]["epoch"]
        return "deletionTimestamp" in domain["metadata"] and off

    def left(self) -> dict[str, list[str]]:
        """Names of all objects that are made for machines."""
        made = (kinds.DOMAIN, kinds.POD, kinds.VOLUME, kinds.ADDRESS, kinds.VIRTUALMACHINE)
        return {kind.plural: names for kind in made if (names := [key.name for key, _ in self.etcd.every(kind)])}


def _busy(controller: Controller) -> bool:
    return any(controller.queues[kind].depth or controller.queues[kind].delayed for kind in RECONCILERS)
