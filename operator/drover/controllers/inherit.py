"""What machines take from their plugins, from the caches alone."""

from dataclasses import dataclass, replace

from drover.api.virtualmachine import VirtualMachineSpec
from drover.controllers.watches import MACHINE
from drover.controllers.world import World
from drover.planning import plugin as plugins
from drover.planning.inheritance import Inheritance
from drover.planning.view import DomainView, MachineView, view
from drover.state.objects import Machine
from drover.state.resource import Key


@dataclass(frozen=True, slots=True)
class Heritage:
    """A machine with its spec laid over its plugin's revision."""

    machine: MachineView
    inherited: Inheritance | None = None
    latest: tuple[VirtualMachineSpec, Inheritance] | None = None
    """What a restart on request would bring, when that is another revision."""


def inherit(machine: MachineView, domain: DomainView | None, world: World) -> Heritage:
    """Find out what a machine is made of; `domain` is its latest incarnation."""
    if machine.spec.plugin is None:
        return Heritage(machine)
    name = plugins.reference(machine)
    namespace = world.stores.namespaces.get(Key("", machine.meta.key.namespace))
    found = world.stores.plugins.get(key(name))
    labels = dict(namespace.meta.labels) if namespace else {}
    choice = plugins.choose(machine, domain, view(found) if found else None, labels)
    if choice.problem:
        return Heritage(machine, Inheritance(name, "", problem=choice.problem))
    spec, inherited = _made_of(machine, name, choice.revision, world)
    latest = _made_of(machine, name, choice.newest, world) if choice.newest != choice.revision else None
    # One that cannot be used is told when somebody asks for it.
    sound = latest if latest and latest[1].problem is None else None
    return Heritage(replace(machine, spec=spec), inherited, sound)


def whole(found: Machine, world: World) -> MachineView:
    """Give a machine with its spec laid over its plugin's revision."""
    machine = view(found)
    if machine.spec.plugin is None:
        return machine
    domains = (view(each) for each in world.stores.domains.by(MACHINE, machine.meta.uid))
    return inherit(machine, max(domains, key=lambda each: each.spec.epoch, default=None), world).machine


def _made_of(machine: MachineView, name: str, revision: str, world: World) -> tuple[VirtualMachineSpec, Inheritance]:
    found = world.stores.revisions.get(Key(key(name).namespace, revision))
    return plugins.inherit(machine.spec, name, revision, found)


def key(name: str) -> Key:
    """Key of an object that is named ``namespace/name``."""
    namespace, _, rest = name.rpartition("/")
    return Key(namespace, rest)
