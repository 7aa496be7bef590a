"""Security groups: whose addresses are members, and whether the groups that they name make sense."""

from collections.abc import Iterable
from typing import Any

from drover.api.kinds import ADDRESS, DOMAIN, SECURITYGROUP, VIRTUALMACHINE, Kind
from drover.controllers.inherit import key as key_of
from drover.controllers.report import tell
from drover.controllers.tally import NOTHING, Uses
from drover.controllers.watches import INTERFACE, MACHINE, NAMESPACE, UID, interface
from drover.controllers.world import World
from drover.planning.securitygroup import status
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
    named = world.members.users((SECURITYGROUP.plural, str(key)))
    allocated = (view(each).spec.address for name in named for each in stores.addresses.by(INTERFACE, name))
    members = (ip for ip in allocated if ip)
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
        """Have the groups looked at that a machine names otherwise than before."""
        if not _same(old, new):
            self._moved(_of_machine(old), _of_machine(new))

    def domain(self, old: objects.Domain | None, new: objects.Domain | None) -> None:
        """Have the groups looked at that a machine comes to name, or named, by its plugin."""
        if not _same(old, new):
            self._moved(_of_domain(old), _of_domain(new))

    def address(self, old: objects.Address | None, new: objects.Address | None) -> None:
        """Have the groups looked at of the machine whose address it is or was."""
        seen = new or old
        if seen is not None and (old is None or new is None):
            uid, stores = view(seen).spec.virtual_machine.uid, self._world.stores
            machines = (uses for each in stores.machines.by(UID, uid) for uses in _of_machine(each))
            domains = (uses for each in stores.domains.by(MACHINE, uid) for uses in _of_domain(each))
            self._later(key_of(name) for _, (_, name) in (*machines, *domains))

    def _moved(self, before: Uses, after: Uses) -> None:
        self._later(key_of(name) for _, name in self._world.members.move(before, after))

    def _later(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._queues[SECURITYGROUP].add_after(key, TOGETHER_SECONDS)


def _same(old: Resource[Any, Any] | None, new: Resource[Any, Any] | None) -> bool:
    if old is None or new is None:
        return False
    return (old.meta.uid, old.packed_spec) == (new.meta.uid, new.packed_spec)


def _of_machine(machine: objects.Machine | None) -> Uses:
    """Interfaces of a machine that name groups."""
    if machine is None:
        return NOTHING
    named = ((each.name, each.security_groups or ()) for each in view(machine).spec.interfaces or ())
    return _uses(machine.meta.key.namespace, machine.meta.uid, named)


def _of_domain(domain: objects.Domain | None) -> Uses:
    """Interfaces of a machine that name groups, its plugin's among them, as its node is told."""
    if domain is None:
        return NOTHING
    spec = view(domain).spec
    named = ((each.name, each.security_groups) for each in spec.interfaces)
    return _uses(domain.meta.key.namespace, spec.virtual_machine.uid, named)


def _uses(namespace: str, uid: str, named: Iterable[tuple[str, Iterable[str]]]) -> Uses:
    return frozenset(
        (interface(uid, name), (SECURITYGROUP.plural, f"{namespace}/{group}"))
        for name, groups in named
        for group in groups
    )
