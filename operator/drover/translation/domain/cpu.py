"""Processors."""

from collections.abc import Iterator

from drover.state.guest import Blueprint
from drover.translation.xml import Element, element, number


def processors(guest: Blueprint) -> Iterator[Element]:
    """Render the number of processors, and how many of them there may come to be."""
    cores, most = guest.spec.machine.cores, _most(guest)
    current = {} if most == cores else {"current": cores}
    yield number("vcpu", most, placement="static", **current)


def model(guest: Blueprint) -> Iterator[Element]:
    """Render their kind: the host's own under KVM, else all that QEMU can emulate; in one socket."""
    topology = element("topology", sockets=1, dies=1, cores=_most(guest), threads=1)
    named, native = guest.spec.machine.cpu_model, guest.host.accelerator == "KVM"
    if named == "HostPassthrough":
        yield element("cpu", topology, mode="host-passthrough", check="none")
    elif named == "HostModel" and native:
        yield element("cpu", topology, mode="host-model", check="partial")
    elif named in {"HostModel", "Maximum"}:
        yield element("cpu", topology, mode="maximum", check="none")
    else:
        yield element(
            "cpu", element("model", named, fallback="forbid"), topology, mode="custom", match="exact", check="none"
        )


def _most(guest: Blueprint) -> int:
    machine = guest.spec.machine
    return max(machine.cores, machine.max_cores or 0)
