"""Processors."""

from collections.abc import Iterator, Mapping

from drover.state.guest import Blueprint
from drover.state.host import Architecture
from drover.translation.xml import Element, element, number

EMULATED: Mapping[Architecture, str] = {"x86_64": "Maximum", "aarch64": "cortex-a57"}
"""Processor of a guest that names none where it is emulated: on arm64 not all that QEMU can: its pointer authentication
takes many times as long."""


def processors(guest: Blueprint) -> Iterator[Element]:
    """Render the number of processors, and how many of them there may come to be."""
    cores, most = guest.spec.machine.cores, _most(guest)
    current = {} if most == cores else {"current": cores}
    yield number("vcpu", most, placement="static", **current)


def model(guest: Blueprint) -> Iterator[Element]:
    """Render their kind: the host's own under KVM, else what emulates well; in one socket."""
    topology = element("topology", sockets=1, dies=1, cores=_most(guest), threads=1)
    named = guest.spec.machine.cpu_model
    if named == "HostModel" and guest.host.accelerator == "TCG":
        named = EMULATED[guest.host.architecture]
    if named == "HostPassthrough":
        yield element("cpu", topology, mode="host-passthrough", check="none")
    elif named == "HostModel":
        yield element("cpu", topology, mode="host-model", check="partial")
    elif named == "Maximum":
        yield element("cpu", topology, mode="maximum", check="none")
    else:
        yield element(
            "cpu", element("model", named, fallback="forbid"), topology, mode="custom", match="exact", check="none"
        )


def _most(guest: Blueprint) -> int:
    machine = guest.spec.machine
    return max(machine.cores, machine.max_cores or 0)
