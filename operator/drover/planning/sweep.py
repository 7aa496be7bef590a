"""The sweep: addresses whose machine is gone without having let them go."""

from collections.abc import Callable, Iterable, Iterator

from drover.planning.view import AddressView
from drover.state.resource import Key


def suspects(addresses: Iterable[AddressView], uid_of: Callable[[Key], str | None]) -> Iterator[AddressView]:
    """Find allocations whose machine is not known under its uid; `uid_of` tells the uid of a machine by name."""
    for each in addresses:
        if not each.meta.deleting and abandoned(each, uid_of(machine(each))):
            yield each


def machine(address: AddressView) -> Key:
    """Name of the machine an allocation belongs to."""
    owner = address.spec.virtual_machine
    return Key(owner.namespace, owner.name)


def abandoned(address: AddressView, uid: str | None) -> bool:
    """Tell whether an allocation belongs to nobody, given the uid of the machine that has the name now."""
    return uid != address.spec.virtual_machine.uid
