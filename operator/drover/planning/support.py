"""What a node can give a guest: the board it gets, or what is missing."""

from collections.abc import Iterator
from dataclasses import replace

from drover.api.hardware import Machine
from drover.planning.domainspec import is_of
from drover.planning.hardware import PROCESSOR
from drover.state.guest import Record
from drover.state.host import GuestSupport, HostFacts

PLAIN = frozenset({PROCESSOR, "HostPassthrough", "Maximum"})
"""Processors that are no names."""


def missing(wanted: Machine, host: HostFacts, record: Record, *, direct: bool) -> str:
    """Say what the node lacks for a guest, in one sentence; empty when it has everything.

    `direct`: its kernel is given to QEMU, so that no firmware has to find one.
    """
    found = _guest(wanted, host)
    if found is None or _is_barred(wanted, found, host):
        return _foreign(wanted, found, host)
    words = ", ".join(lack for _, lack in _lacking(wanted, found, host, record, direct=direct))
    return f"this node has no {words}" if words else ""


def lacks(wanted: Machine, host: HostFacts, record: Record, *, direct: bool) -> dict[str, str]:
    """Say the same of each field of the spec, by its path."""
    found = _guest(wanted, host)
    if found is None or _is_barred(wanted, found, host):
        return {"spec.architecture": _foreign(wanted, found, host)}
    said: dict[str, str] = {}
    for path, lack in _lacking(wanted, found, host, record, direct=direct):
        said[path] = f"{said[path]}, {lack}" if path in said else f"this node has no {lack}"
    return said


def _is_barred(wanted: Machine, found: GuestSupport, host: HostFacts) -> bool:
    return found.architecture != host.architecture and wanted.emulation != "Allowed"


def _foreign(wanted: Machine, found: GuestSupport | None, host: HostFacts) -> str:
    if found is None:
        return f"this node has no QEMU for {wanted.architecture}"
    return f"this node is {host.platform}: it runs {found.platform} only with emulation: Allowed"


def _lacking(
    wanted: Machine, found: GuestSupport, host: HostFacts, record: Record, *, direct: bool
) -> Iterator[tuple[str, str]]:
    needs_uefi = wanted.firmware == "UEFI" or (found.platform == "arm64" and not direct)
    board = _board(wanted, found, record)
    for lack in _firmware(wanted, found, needs_uefi=needs_uefi):
        yield "spec.firmware", lack
    if board not in found.machines:
        yield "spec.machineType", f"machine type {board}"
    if wanted.graphics not in found.graphics:
        yield "spec.graphics", f"graphics {wanted.graphics}"
    for lack in _processor(wanted, found, host):
        yield "spec.cpu.model", lack
    if wanted.hugepages and wanted.hugepages not in host.hugepages:
        yield "spec.memory.hugepages", f"huge pages of {wanted.hugepages}"


def _processor(wanted: Machine, found: GuestSupport, host: HostFacts) -> Iterator[str]:
    native = host.accelerator == "KVM" and found.architecture == host.architecture
    if wanted.cpu_model == "HostPassthrough" and not native:
        yield "hardware virtualisation, which cpu.model HostPassthrough needs"
    if wanted.cpu_model not in PLAIN | found.processors:
        yield f"processor {wanted.cpu_model}"


def _firmware(wanted: Machine, found: GuestSupport, *, needs_uefi: bool) -> Iterator[str]:
    if needs_uefi and "UEFI" not in found.firmware:
        yield f"UEFI firmware for {found.platform}"
    if wanted.secure_boot == "Enabled" and "SecureBoot" not in found.firmware:
        yield "UEFI firmware with secure boot"
    if wanted.tpm == "Enabled" and not found.tpm:
        yield "TPM emulator (swtpm)"


def fitted(wanted: Machine, host: HostFacts, record: Record) -> HostFacts:
    """Describe the host as one guest has it: its architecture and emulator, and the board that it keeps."""
    found = _guest(wanted, host)
    if found is None:
        return host
    own = found.architecture == host.architecture
    return replace(
        host,
        architecture=found.architecture,
        emulator=found.emulator,
        machine=_board(wanted, found, record),
        accelerator=host.accelerator if own else "TCG",
    )


def _guest(wanted: Machine, host: HostFacts) -> GuestSupport | None:
    platform = wanted.architecture or host.platform
    return next((each for each in host.guests if each.platform == platform), None)


def _board(wanted: Machine, found: GuestSupport, record: Record) -> str:
    """Board of a guest: what its first start chose while that fits, else what is asked for, else the newest."""
    asked, kept = wanted.machine_type, record.machine_type
    if record.architecture in {"", found.platform} and is_of(kept, asked):
        return kept
    return found.machine if is_of(found.machine, asked) else asked
