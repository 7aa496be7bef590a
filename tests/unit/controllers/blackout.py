"""A cluster whose nodes lose their power and their cables, while somebody says so, and controllers may be blind."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.unit.controllers.cosmos import NODES, Controller, Cosmos

from drover.api import kinds
from drover.controllers.hypervisor import Heartbeats
from drover.controllers.node import Watcher
from drover.runtime.store import Store
from drover.state.clusternode import OUT_OF_SERVICE
from drover.state.lease import Lease
from drover.state.resource import Key

TAINT = {"key": OUT_OF_SERVICE, "effect": "NoExecute"}


class Suspicion(Heartbeats):
    """Quiet is a node whose Lease, as its controller has heard of it, is the one of long ago."""

    def __init__(self, _dark: set[str]) -> None:
        super().__init__(40.0)
        self.suspects: dict[str, str] = {}
        self.leases: Store[Lease] | None = None

    @property
    def silent(self) -> frozenset[str]:
        return frozenset(node for node in self.suspects if self.is_quiet(node))

    def renewed(self, node: str) -> str:
        """Give the Lease of a node as its controller has heard of it."""
        lease = self.leases.get(lease_key(node)) if self.leases else None
        return lease.renewed if lease else ""

    def is_quiet(self, node: str) -> bool:
        return node in self.suspects and self.renewed(node) == self.suspects[node]

    def is_heard(self, node: str) -> bool:
        return not self.is_quiet(node)


def lease_key(node: str) -> Key:
    """Name of a node's Lease."""
    return Key("drover-system", f"drover-node-{node}")


@dataclass
class Blackout(Cosmos):
    """Nodes that are off, cut off, or booted and about to act on what they read."""

    off: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    orders: dict[str, dict[Key, Any]] = field(default_factory=dict)
    """What nodes that have booted read of their Domains."""
    ticks: int = 0
    watchers: dict[int, Watcher] = field(default_factory=dict)

    def found_controller(self) -> Controller:
        controller = Controller(self.etcd, self.chance, self.agents.muted, sight=Suspicion)
        self._sight(controller).leases = controller.world.stores.leases
        self.watchers[id(controller)] = Watcher(controller.world, lambda _: None)
        return controller

    async def furnish(self) -> None:
        await super().furnish()
        for node in NODES:
            self.beat(node)

    def _sight(self, controller: Controller) -> Suspicion:
        sight = controller.world.heartbeats
        assert isinstance(sight, Suspicion)
        return sight

    def _boot(self, node: str) -> str:
        return str(self.etcd.objects[kinds.HYPERVISOR, Key("", node)]["status"]["bootID"])

    def schedulable(self) -> set[str]:
        present = {key.name: body for key, body in self.etcd.every(kinds.NODE)}
        return {name for name, body in present.items() if not body.get("spec", {}).get("taints")}

    # --- nodes -------------------------------------------------------------------------------------------------------

    def beat(self, node: str) -> None:
        """Renew a node's Lease."""
        self.ticks += 1
        metadata = {"name": lease_key(node).name, "namespace": "drover-system", "uid": f"lease-{node}"}
        self.etcd.put(kinds.LEASE, lease_key(node), {"metadata": metadata, "spec": {"renewTime": str(self.ticks)}})

    def power_off(self, node: str) -> None:
        """Cut a node's power."""
        self.agents.power_off(node)
        self.off.add(node)
        self.cut.discard(node)
        self.orders.pop(node, None)

    def partition(self, node: str) -> None:
        """Cut a node off: its guests run on. Not while a mark says that this boot has ended: that would be a lie."""
        if node not in self.off and node not in self.orders and not self._is_marked(node):
            self.agents.muted.add(node)
            self.cut.add(node)

    def heal(self, node: str) -> None:
        """Plug a node in again."""
        if node in self.cut:
            self.cut.discard(node)
            self.agents.muted.discard(node)
            self.beat(node)

    async def boot(self, node: str) -> None:
        """Give a node power: it tells of its boot, renews its Lease and reads its orders, in this order."""
        if node not in self.off:
            return
        self.off.discard(node)
        if (kinds.NODE, Key("", node)) not in self.etcd.objects:
            await self.client.create(kinds.NODE, {"metadata": {"name": node}})
        key = Key("", node)
        found = self.etcd.objects[kinds.HYPERVISOR, key]
        self.etcd.put(kinds.HYPERVISOR, key, {**found, "status": {"bootID": f"{node}-{self.etcd.version}"}})
        self.beat(node)
        every = self.etcd.every(kinds.DOMAIN)
        self.orders[node] = {name: body for name, body in every if body["spec"]["nodeName"] == node}

    async def awake(self, node: str) -> None:
        """Let a node that has booted act on what it read, however late, and on what it hears from then on."""
        orders = self.orders.pop(node, None)
        if orders is None:
            return
        self.agents.muted.discard(node)
        self.agents._domains = dict(orders)
        for key in orders:
            await self.agents._domain(key)
        self.beat(node)

    def suspect(self, number: int, node: str) -> None:
        """Let a controller take a node for silent: it is, or the controller is blind."""
        controller = self.controllers[number]
        sight, cached = self._sight(controller), self._sight(controller).renewed(node)
        lease = self.etcd.objects[kinds.LEASE, lease_key(node)]["spec"]["renewTime"]
        if node in self.off | self.cut or cached != lease:
            sight.suspects[node] = cached
            for key in controller.world.stores.machines.names():
                controller.queues[kinds.VIRTUALMACHINE].add(key)

    # --- marks -------------------------------------------------------------------------------------------------------

    def _is_marked(self, node: str) -> bool:
        found = self.etcd.objects.get((kinds.NODE, Key("", node)))
        if found is None:
            return True
        notes, boot = found["metadata"].get("annotations", {}), self._boot(node)
        tainted = bool(found.get("spec", {}).get("taints"))
        return notes.get("drover.dev/fenced") == boot or (
            tainted and notes.get("drover.dev/out-of-service") in {None, boot}
        )

    def annotate_node(self, node: str, boot: str) -> None:
        """Say that a boot has ended."""
        self._change(node, annotations={"drover.dev/fenced": boot})

    def taint(self, node: str, taints: Iterable[Any] = (TAINT,)) -> None:
        """Put a node out of service, or in again."""
        self._change(node, taints=list(taints))

    def remove(self, node: str) -> None:
        """Take a node out of the cluster."""
        if (kinds.NODE, Key("", node)) in self.etcd.objects:
            self.etcd.drop(kinds.NODE, Key("", node))

    def _change(self, node: str, *, annotations: Any = None, taints: Any = None) -> None:
        found = self.etcd.objects.get((kinds.NODE, Key("", node)))
        if found is None:
            return
        notes = {**found["metadata"].get("annotations", {}), **(annotations or {})}
        spec = found.get("spec", {}) if taints is None else {"taints": taints}
        body = {**found, "metadata": {**found["metadata"], "annotations": notes}, "spec": spec}
        self.etcd.put(kinds.NODE, Key("", node), body)

    async def tend(self, number: int) -> None:
        """Let a controller look after the nodes."""
        await self.watchers[id(self.controllers[number])].look()

    # --- the end -----------------------------------------------------------------------------------------------------

    async def settle(self, pause: float = 61.0) -> None:
        for node in NODES:
            await self.boot(node)
            await self.awake(node)
            self.heal(node)
            self.taint(node, ())
        for _ in range(3):
            for number, controller in enumerate(self.controllers):
                controller.caches.hear()
                await self.tend(number)
            for node in NODES:
                self.beat(node)
        for controller in self.controllers:
            controller.caches.hear()
            self._sight(controller).suspects.clear()
            for key in controller.world.stores.machines.names():
                controller.queues[kinds.VIRTUALMACHINE].add(key)
        await super().settle(pause)

    def check(self) -> None:
        super().check()
        held = [uid for host in self.agents.hosts.values() for uid in host.disks]
        assert self.access == "Shared" or len(held) == len(set(held)), "data of one volume on two nodes"
