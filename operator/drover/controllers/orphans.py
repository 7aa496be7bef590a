"""Guests for which no Domain speaks, by the machine they were: what a machine of that name may take over."""

from collections.abc import Iterable

from drover.controllers.watches import MACHINE, Stores
from drover.planning.adoption import Left
from drover.planning.view import AddressView, view
from drover.state.objects import Hypervisor
from drover.state.resource import Key


class Orphans:
    """What the agents report, kept as their Hypervisors change."""

    def __init__(self) -> None:
        self._left: dict[Key, dict[tuple[str, str], Left]] = {}
        """By machine, then by node and uuid."""

    def of(self, machine: Key) -> tuple[Left, ...]:
        """Find the guests that a machine of this name left."""
        return tuple(self._left.get(machine, {}).values())

    def uids(self) -> frozenset[str]:
        """Uids of the machines that left a guest: what is theirs is in use still."""
        return frozenset(each.uid for guests in self._left.values() for each in guests.values())

    def observe(self, old: Hypervisor | None, new: Hypervisor | None) -> Iterable[Key]:
        """Follow a change of a Hypervisor; gives the machines of which more or fewer guests are left."""
        before, after = set(_told(old)), set(_told(new))
        for each in before - after:
            guests = self._left.get(each.machine, {})
            guests.pop((each.node, each.orphan.uuid), None)
            if not guests:
                self._left.pop(each.machine, None)
        for each in after - before:
            self._left.setdefault(each.machine, {})[each.node, each.orphan.uuid] = each
        return {each.machine for each in before ^ after}


def estate(guests: Iterable[Left], stores: Stores) -> tuple[AddressView, ...]:
    """Find the allocations of the machines that left these guests."""
    uids = {each.uid for each in guests}
    return tuple(view(address) for uid in uids for address in stores.addresses.by(MACHINE, uid))


def _told(hypervisor: Hypervisor | None) -> Iterable[Left]:
    if hypervisor is None:
        return ()
    return (Left(hypervisor.meta.key.name, orphan) for orphan in view(hypervisor).status.orphans or ())
