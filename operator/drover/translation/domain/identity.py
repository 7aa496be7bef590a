"""Who the guest is: name, uuid and the agent's record."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation import record
from drover.translation.xml import Element, element


def identity(guest: Blueprint) -> Iterator[Element]:
    """Name it for people and by the machine's uid for everything else."""
    yield element("name", f"{guest.namespace}.{guest.spec.virtual_machine.name}")
    yield element("uuid", guest.spec.uuid)
    yield element("metadata", record.to_element(guest.record))
