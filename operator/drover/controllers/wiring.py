"""Which change has which object looked at: callbacks on the caches that put names into queues."""

from collections.abc import Iterable
from typing import Any, TypeVar

from drover.api import kinds
from drover.api.hypervisor import HypervisorStatus
from drover.api.kinds import Kind
from drover.controllers import capture, network, pool, securitygroup, service, tally
from drover.controllers.hypervisor import PACE_SECONDS
from drover.controllers.inherit import key as key_of
from drover.controllers.links import Token
from drover.controllers.watches import NAMESPACE, NODE, UID, plugin_of
from drover.controllers.world import World
from drover.planning import names
from drover.planning.ownership import machine_uid
from drover.planning.view import view
from drover.planning.volume import claimants
from drover.runtime.store import Cached, Changed
from drover.runtime.workqueue import WorkQueue
from drover.state import objects
from drover.state.budget import Budget
from drover.state.clusternode import Node
from drover.state.namespace import Namespace
from drover.state.pod import Pod
from drover.state.resource import Key, Meta, Resource
from drover.state.revision import Revision

COUNT_SECONDS = 0.5
"""How long after a machine named a plugin, or named it last, the users of that are counted."""
T = TypeVar("T", bound=Cached)
Queues = dict[Kind, WorkQueue[Key]]
"""By kind that is reconciled."""


def connect(world: World, queues: Queues) -> "Wiring":
    """Subscribe to every cache."""
    wiring = Wiring(world, queues)
    for kind, callback in wiring.callbacks().items():
        world.caches.store(kind).subscribe(callback)
    for kind, callback in tally.callbacks(world.tally, queues).items():
        world.caches.store(kind).subscribe(callback)
    for more in (capture, network, pool, securitygroup, service):
        for kind, callback in more.callbacks(world, queues).items():
            world.caches.store(kind).subscribe(callback)
    return wiring


class Wiring:
    """The callbacks; each is given an object as it was and as it is."""

    def __init__(self, world: World, queues: Queues) -> None:
        self._world = world
        self._queues = queues

    def callbacks(self) -> dict[Kind, Changed[Any]]:
        """By kind that is watched."""
        return {
            kinds.VIRTUALMACHINE: self._machine,
            kinds.DOMAIN: self._domain,
            kinds.VOLUME: self._volume,
            kinds.ADDRESS: self._address,
            kinds.POD: self._anchor,
            kinds.PLUGIN: self._plugin,
            kinds.REVISION: self._revision,
            kinds.IMAGE: self._shared(kinds.IMAGE),
            kinds.POOL: self._shared(kinds.POOL),
            kinds.NETWORK: self._shared(kinds.NETWORK),
            kinds.HYPERVISOR: self._hypervisor,
            kinds.LEASE: self._world.heartbeats.observe,
            kinds.NAMESPACE: self._namespace,
            kinds.NODE: self._node_object,
            kinds.BUDGET: self._budget,
        }

    def node_turned(self, node: str) -> None:
        """Have all looked at that is on a node which fell silent, was marked or is heard again, a few at a time."""
        queue, stores = self._queues[kinds.VIRTUALMACHINE], self._world.stores
        placed = (machine_key(pod.meta) for pod in stores.anchors.values() if pod.node == node)
        machines = dict.fromkeys((*map(self._owner, stores.domains.by(NODE, node)), *placed))
        for number, key in enumerate(machines):
            queue.add_after(key, number * PACE_SECONDS)
        for volume in stores.volumes.values():
            if volume.meta.deleting and _node(volume) == node:
                self._queues[kinds.VOLUME].add(volume.meta.key)

    def look_at(self, machines: Iterable[Key]) -> None:
        """Have machines looked at."""
        self._add(machines)

    def _add(self, machines: Iterable[Key], *, urgent: bool = False) -> None:
        for key in machines:
            self._queues[kinds.VIRTUALMACHINE].add(key, urgent=urgent)

    def _machine(self, old: objects.Machine | None, new: objects.Machine | None) -> None:
        found = one(old, new)
        key = found.meta.key
        self._count_user(old, new)
        if new is None or not _only_told(old, new, self._world.telling.get(key)):
            self._add([key])
        if new is None:
            self._world.ordered.discard(found.meta.uid)
            # What it used may be free for others now; its volumes may want to be told so.
            for volume in self._world.stores.volumes.by("machine", found.meta.uid):
                self._queues[kinds.VOLUME].add(volume.meta.key)

    def _count_user(self, old: objects.Machine | None, new: objects.Machine | None) -> None:
        before, after = plugin_of(old) if old else "", plugin_of(new) if new else ""
        for name in {before, after} - {""} if before != after else ():
            # Users come and go in bursts; until they are counted the plugin's finalizer protects them.
            self._queues[kinds.PLUGIN].add_after(key_of(name), COUNT_SECONDS)

    def _plugin(self, old: objects.Plugin | None, new: objects.Plugin | None) -> None:
        key = one(old, new).meta.key
        self._queues[kinds.PLUGIN].add(key)
        if old is None or new is None or _changed(old, new) or view(old).status.revision != view(new).status.revision:
            self._refer(("plugins", str(key)))

    def _revision(self, old: Revision | None, new: Revision | None) -> None:
        meta = one(old, new).meta
        self._queues[kinds.PLUGIN].add(Key(meta.key.namespace, dict(meta.labels).get(names.LABEL_PLUGIN, "")))
        self._refer(("controllerrevisions", str(meta.key)))

    def _domain(self, old: objects.Domain | None, new: objects.Domain | None) -> None:
        # In a burst those that have come far come to their end before others begin.
        self._add([self._owner(one(old, new))], urgent=True)
        for volume in self._world.usage.observe(old, new):
            self._queues[kinds.VOLUME].add(volume)
            if old is None or new is None:
                self._refer(("storagevolumes", str(volume)))

    def _owner(self, domain: objects.Domain) -> Key:
        return Key(domain.meta.key.namespace, view(domain).spec.virtual_machine.name)

    def _volume(self, old: objects.Volume | None, new: objects.Volume | None) -> None:
        meta = one(old, new).meta
        self._queues[kinds.VOLUME].add(meta.key)
        if old is None or new is None or _changed(old, new) or _node(old) != _node(new):
            machines = self._world.stores.machines
            owners = (machine for uid in claimants(meta) for machine in machines.by(UID, uid))
            self._add(machine.meta.key for machine in owners)
            self._refer(("storagevolumes", str(meta.key)))

    def _address(self, old: objects.Address | None, new: objects.Address | None) -> None:
        self._world.book.observe(view(old) if old else None, view(new) if new else None)
        spec = view(one(old, new)).spec
        self._add([Key(spec.virtual_machine.namespace, spec.virtual_machine.name)])
        self._refer(("networkaddresses", one(old, new).meta.key.name))
        if new is None:
            self._refer(("networkaddresses", spec.network))

    def _anchor(self, old: Pod | None, new: Pod | None) -> None:
        meta = one(old, new).meta
        key = machine_key(meta)
        if key.name and machine_uid(meta):
            self._add([key], urgent=True)

    def _shared(self, kind: Kind) -> Changed[Any]:
        def changed(old: Resource[Any, Any] | None, new: Resource[Any, Any] | None) -> None:
            found = one(old, new)
            self._queues[kind].add(found.meta.key)
            if old is None or new is None or _changed(old, new):
                self._refer((kind.plural, str(found.meta.key)), (kind.plural, ""))

        return changed

    def _hypervisor(self, old: objects.Hypervisor | None, new: objects.Hypervisor | None) -> None:
        self._add(self._world.orphans.observe(old, new))
        before, after = view(old).status if old else None, view(new).status if new else None
        for kind, part in ((kinds.IMAGE, "images"), (kinds.POOL, "pools"), (kinds.NETWORK, "networks")):
            if getattr(before, part, None) != getattr(after, part, None):
                for key in self._world.caches.store(kind).names():
                    self._queues[kind].add(key)
        if _levels(before) != _levels(after):
            self.node_turned(one(old, new).meta.key.name)
            self._add(machine_key(pod.meta) for pod in self._world.stores.anchors.values() if not pod.node)

    def _namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        if old and new and (old.meta.labels, old.terminating) == (new.meta.labels, new.terminating):
            return
        name = one(old, new).meta.key.name
        self._add(machine.meta.key for machine in self._world.stores.machines.by(NAMESPACE, name))
        if new is not None and new.terminating:
            for plugin in self._world.stores.plugins.values():
                if plugin.meta.key.namespace == name:
                    self._queues[kinds.PLUGIN].add(plugin.meta.key)

    def _node_object(self, old: Node | None, new: Node | None) -> None:
        if _said(old) != _said(new):
            self.node_turned(one(old, new).meta.key.name)

    def _budget(self, old: Budget | None, new: Budget | None) -> None:
        if old and new and old.requirements == new.requirements:
            return
        namespace = one(old, new).meta.key.namespace
        self._add(machine.meta.key for machine in self._world.stores.machines.by(NAMESPACE, namespace))

    def _refer(self, *tokens: Token) -> None:
        self._add(self._world.links.users(*tokens))


def one(old: T | None, new: T | None) -> T:
    """Give whichever of the two is there, the newer first."""
    found = new or old
    assert found is not None, "a change is from or to something"
    return found


def machine_key(meta: Meta) -> Key:
    """Name of the machine that an anchor is for, as its label says."""
    return Key(meta.key.namespace, dict(meta.labels).get(names.LABEL_MACHINE, ""))


def _said(node: Node | None) -> tuple[object, ...]:
    """What a Node object says of the node's power."""
    return (node.meta.uid, node.meta.annotations, node.out_of_service, node.boot_id) if node else ()


def _levels(told: HypervisorStatus | None) -> tuple[object, ...]:
    """What an agent says of how it goes with the controller."""
    return (told.agent_version, told.api_level) if told else ()


def _only_told(old: objects.Machine | None, new: objects.Machine, told: bytes | None) -> bool:
    """Tell whether nothing has changed but the status, to what we told."""
    return old is not None and not _changed(old, new) and told is not None and new.packed_status == told


def _changed(old: Resource[Any, Any], new: Resource[Any, Any]) -> bool:
    """Tell whether anything but the status is another."""
    before, after = old.meta, new.meta
    return (
        old.packed_spec != new.packed_spec
        or (before.uid, before.deleting, before.finalizers) != (after.uid, after.deleting, after.finalizers)
        or (before.annotations, before.labels, before.owner) != (after.annotations, after.labels, after.owner)
    )


def _node(volume: objects.Volume) -> str | None:
    return view(volume).status.node_name
