"""Processors."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element, number


def processors(guest: Blueprint) -> Iterator[Element]:
    """Render the number of processors."""
    yield number("vcpu", guest.spec.machine.cores, placement="static")


def model(guest: Blueprint) -> Iterator[Element]:
    """Render their kind: the host's own under KVM, else all that QEMU can emulate; in one socket."""
    topology = element("topology", sockets=1, dies=1, cores=guest.spec.machine.cores, threads=1)
    if guest.host.accelerator == "KVM":
        yield element("cpu", topology, mode="host-model", check="partial")
    else:
        yield element("cpu", topology, mode="maximum", check="none")
