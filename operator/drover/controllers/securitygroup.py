"""Security groups: whose addresses are members, and whether the groups that they name make sense."""

from collections.abc import Iterable
from typing import Any

from drover.api.kinds import ADDRESS, DOMAIN, SECURITYGROUP, VIRTUALMACHINE, Kind
from drover.controllers.inherit import whole
from drover.controllers.report import tell
from drover.controllers.watches import MACHINE, NAMESPACE, UID
from drover.controllers.world import World
from drover.planning.catalog import groups
from drover.planning.securitygroup import addresses, status
from drover.planning.view import view
from drover.runtime.store import Changed
from drover.runtime.workqueue import WorkQueue
from drover.state import objects
from drover.state.resource import Key, Resource

TOGETHER_SECONDS = 0.5
"""Members that come and go within so long are told together."""


async def reconcile(key: Key, world: World) -> None:
    """Bring what is said of one group in line."""
    stores = world.stores
    resource = stores.groups.get(key)
    if resource is None or resource.meta.deleting:
        return
    found = view(resource)
    others = {each.meta.key.name: view(each) for each in stores.groups.by(NAMESPACE, key.namespace)}
    machines = (whole(each, world) for each in stores.machines.by(NAMESPACE, key.namespace))
    members = (
        ip
        for machine in machines
        for ip in addresses(key.name, machine, map(view, stores.addresses.by(MACHINE, machine.meta.uid)))
    )
    told = status(found, others, members, now=world.now())
    if told != found.status:
        await tell(SECURITYGROUP, found.meta, told, world)


def callbacks(world: World, queues: dict[Kind, WorkQueue[Key]]) -> dict[Kind, Changed[Any]]:
    """Make what is called with each change that members of a group, or the sense of its references, may come of."""
    news = _News(world, queues)
    return {SECURITYGROUP: news.group, VIRTUALMACHINE: news.machine, DOMAIN: news.domain, ADDRESS: news.address}


class _News:
    """Puts groups into the queue, a little later, so that a burst is told once."""

    def __init__(self, world: World, queues: dict[Kind, WorkQueue[Key]]) -> None:
        self._world = world
        self._queues = queues

    def group(self, old: objects.SecurityGroup | None, new: objects.SecurityGroup | None) -> None:
        """Have every group of the namespace looked at, and the machines that name one which comes or goes."""
        seen = new or old
        assert seen is not None
        if not _same(old, new):
            self._later(each.meta.key for each in self._world.stores.groups.by(NAMESPACE, seen.meta.key.namespace))
        if old is None or new is None:
            for machine in self._world.links.users((SECURITYGROUP.plural, str(seen.meta.key))):
                self._queues[VIRTUALMACHINE].add(machine)

    def machine(self, old: objects.Machine | None, new: objects.Machine | None) -> None:
        """Have the groups looked at that a machine named or names."""
        if not _same(old, new):
            self._later(key for each in (old, new) if each for key in self._groups(each))

    def domain(self, old: objects.Domain | None, new: objects.Domain | None) -> None:
        """Have the groups looked at that a machine comes to name, or named, by its plugin."""
        if not _same(old, new):
            self._later({key for each in (old, new) if each for key in _ordered(each)})

    def address(self, old: objects.Address | None, new: objects.Address | None) -> None:
        """Have the groups looked at of the machine whose address it is or was."""
        seen = new or old
        if seen is not None and (old is None or new is None):
            uid = view(seen).spec.virtual_machine.uid
            self._later(key for each in self._world.stores.machines.by(UID, uid) for key in self._groups(each))

    def _groups(self, machine: objects.Machine) -> Iterable[Key]:
        return (Key(machine.meta.key.namespace, name) for name in groups(whole(machine, self._world).spec))

    def _later(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._queues[SECURITYGROUP].add_after(key, TOGETHER_SECONDS)


def _same(old: Resource[Any, Any] | None, new: Resource[Any, Any] | None) -> bool:
    return old is not None and new is not None and old.packed_spec == new.packed_spec


def _ordered(domain: objects.Domain) -> Iterable[Key]:
    """Groups that a machine's node is told of."""
    named = (name for each in view(domain).spec.interfaces for name in each.security_groups)
    return (Key(domain.meta.key.namespace, name) for name in named)
