"""Services that select machines: slices of endpoints that lead to them, kept as machines come, go and become ready."""

from typing import Any

from drover.api.kinds import ENDPOINTSLICE, NODE, SERVICE, VIRTUALMACHINE, Kind
from drover.controllers.inherit import whole
from drover.controllers.watches import MACHINE, NAMESPACE
from drover.controllers.watches import NODE as BY_NODE
from drover.controllers.world import World
from drover.metrics.registry import wrote
from drover.planning.names import MANAGER_CONTROLLER
from drover.planning.service import LABEL_SERVICE, endures, selects, slices
from drover.planning.view import MachineView, view
from drover.runtime.store import Changed
from drover.runtime.workqueue import WorkQueue
from drover.state import objects
from drover.state.clusternode import Node
from drover.state.resource import Key
from drover.state.service import Service, read_slice

TOGETHER_SECONDS = 0.2
"""Machines that change within so long are told together."""


async def reconcile(key: Key, world: World) -> None:
    """Bring the slices of one Service in line; those of one that is gone go with it."""
    stores = world.stores
    service = stores.services.get(key)
    if service is None or service.meta.deleting:
        return
    found = [each for each in stores.machines.by(NAMESPACE, key.namespace) if selects(service, each.meta)]
    machines = [whole(each, world) for each in found]
    networks = {each.meta.key.name: view(each) for each in stores.networks.values()}
    enduring = frozenset(each.meta.uid for each in machines if _endures(each, world))
    built = slices(service, machines, networks, enduring)
    wanted = {Key(key.namespace, body["metadata"]["name"]): body for body in built}
    known = {each.meta.key: each for each in stores.slices.by(NAMESPACE, key.namespace) if _of(each.meta, key)}
    for name, body in wanted.items():
        if name not in known or known[name].content != read_slice(body).content:
            wrote(ENDPOINTSLICE.name, "apply")
            await world.cluster.apply(ENDPOINTSLICE, name, body, manager=MANAGER_CONTROLLER)
    for name in known.keys() - wanted.keys():
        wrote(ENDPOINTSLICE.name, "delete")
        await world.cluster.delete(ENDPOINTSLICE, name, uid=known[name].meta.uid)


def _endures(machine: MachineView, world: World) -> bool:
    domains = (view(each) for each in world.stores.domains.by(MACHINE, machine.meta.uid))
    latest = max(domains, key=lambda each: each.spec.epoch, default=None)
    return endures(machine, latest, world.stores.nodes.get(Key("", machine.status.node_name or "")))


def _of(meta: Any, service: Key) -> bool:
    return dict(meta.labels).get(LABEL_SERVICE) == service.name


def callbacks(world: World, queues: dict[Kind, WorkQueue[Key]]) -> dict[Kind, Changed[Any]]:
    """Make what is called with each change that concerns a Service, or a machine that one may mean."""
    news = _News(world, queues)
    return {SERVICE: news.service, VIRTUALMACHINE: news.machine, NODE: news.node}


class _News:
    """Puts Services into the queue, and the machines whose condition tells of them."""

    def __init__(self, world: World, queues: dict[Kind, WorkQueue[Key]]) -> None:
        self._world = world
        self._queues = queues

    def service(self, old: Service | None, new: Service | None) -> None:
        """Have a Service looked at, and the machines that it means or meant."""
        if old is not None and new is not None and _content(old) == _content(new):
            return
        found = [each for each in (old, new) if each]
        key = found[0].meta.key
        self._queues[SERVICE].add(key)
        for machine in self._world.stores.machines.by(NAMESPACE, key.namespace):
            if any(selects(each, machine.meta) for each in found):
                self._queues[VIRTUALMACHINE].add(machine.meta.key)

    def machine(self, old: objects.Machine | None, new: objects.Machine | None) -> None:
        """Have the Services looked at that mean a machine or meant it."""
        found = [each.meta for each in (old, new) if each]
        for service in self._world.stores.services.by(NAMESPACE, found[0].key.namespace):
            if any(selects(service, meta) for meta in found):
                self._queues[SERVICE].add_after(service.meta.key, TOGETHER_SECONDS)

    def node(self, old: Node | None, new: Node | None) -> None:
        """Have the Services looked at whose machines are on a node that Kubernetes holds for up, or not any more."""
        if (old is not None and old.ready) == (new is not None and new.ready):
            return
        names = {each.meta.key.name for each in (old, new) if each}
        domains = (each for name in names for each in self._world.stores.domains.by(BY_NODE, name))
        spaces = {each.meta.key.namespace for each in domains}
        for service in self._world.stores.services.values():
            if service.meta.key.namespace in spaces:
                self._queues[SERVICE].add_after(service.meta.key, TOGETHER_SECONDS)


def _content(service: Service) -> tuple[object, ...]:
    return service.selector, service.ports, service.families
