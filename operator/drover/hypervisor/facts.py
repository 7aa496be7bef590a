"""What the host can do, and whether KVM really runs a guest; blocking, see `domain`."""

import contextlib
import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import libvirt
from drover.hypervisor.errors import found
from drover.state.host import Accelerator, Capabilities, GuestSupport, HostFacts
from drover.translation import capabilities, probe

LOG = logging.getLogger(__name__)
PROBE_SECONDS = 4.0
"""How long the probe guest may take; a real one needs a fifth of a second."""
POLL_SECONDS = 0.05
PROBED = frozenset({"x86_64"})
"""Architectures that there is a probe guest for."""
_MILLION = 1_000_000
_THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the probe found."""

    accelerator: Accelerator
    detail: str


def facts(connection: libvirt.virConnect, directory: Path, boot_id: str) -> HostFacts:
    """Gather the facts; `directory` keeps the verdict on KVM, good for one boot."""
    document = connection.getCapabilities()
    host = capabilities.read(document)
    verdict = _remembered(directory, boot_id) or _judged(connection, host, directory, boot_id)
    node = connection.getInfo()
    return HostFacts(
        architecture=host.architecture,
        emulator=host.emulator,
        accelerator=verdict.accelerator,
        accelerator_detail=verdict.detail,
        machine=host.machine,
        cores=node[2],
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        libvirt_version=_version(connection.getLibVersion()),
        qemu_version=_version(connection.getVersion()),
        guests=tuple(_supported(connection, each, _kind(each, host, verdict)) for each in host.guests),
        hugepages=capabilities.hugepages(document),
    )


def _kind(guest: GuestSupport, host: Capabilities, verdict: Verdict) -> str:
    """Libvirt's word for how guests of an architecture run here."""
    return "kvm" if verdict.accelerator == "KVM" and guest.architecture == host.architecture else "qemu"


def _supported(connection: libvirt.virConnect, guest: GuestSupport, kind: str) -> GuestSupport:
    """Ask what guests of one architecture can be given; where libvirt cannot tell, nothing but the plainest."""
    try:
        document = connection.getDomainCapabilities(guest.emulator, guest.architecture, guest.machine, kind)
    except libvirt.libvirtError as error:
        LOG.info("libvirt tells nothing of guests of %s: %s", guest.architecture, error)
        return guest
    return capabilities.supported(guest, document)


def _version(number: int) -> str:
    return f"{number // _MILLION}.{number // _THOUSAND % _THOUSAND}.{number % _THOUSAND}"


def _remembered(directory: Path, boot_id: str) -> Verdict | None:
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        kept = json.loads((directory / "accelerator.json").read_text())
        if kept["boot_id"] == boot_id:
            return Verdict(kept["accelerator"], kept["detail"])
    return None


def _judged(connection: libvirt.virConnect, host: Capabilities, directory: Path, boot_id: str) -> Verdict:
    directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    verdict = _judge(connection, host, directory)
    part = directory / ".accelerator"
    part.write_text(json.dumps({"boot_id": boot_id, "accelerator": verdict.accelerator, "detail": verdict.detail}))
    part.replace(directory / "accelerator.json")
    return verdict


def _judge(connection: libvirt.virConnect, host: Capabilities, directory: Path) -> Verdict:
    if not host.kvm:
        return Verdict("TCG", "libvirt offers no KVM on this host")
    if host.architecture not in PROBED:
        return Verdict("TCG", f"there is no probe guest for {host.architecture}: KVM is untried")
    try:
        return _probe(connection, host, directory)
    except libvirt.libvirtError as error:
        return Verdict("TCG", f"KVM is advertised, but a probe guest did not start: {error}")


def _probe(connection: libvirt.virConnect, host: Capabilities, directory: Path) -> Verdict:
    image, answer = directory / "probe.img", directory / "probe.out"
    image.write_bytes(probe.disk())
    image.chmod(0o644)
    answer.write_bytes(b"")
    _end(connection)
    connection.createXML(
        probe.document(host, PurePosixPath(image), PurePosixPath(answer)), libvirt.VIR_DOMAIN_START_AUTODESTROY
    )
    try:
        return _verdict(answer)
    finally:
        _end(connection)
        image.unlink(missing_ok=True)
        answer.unlink(missing_ok=True)


def _verdict(answer: Path) -> Verdict:
    """Wait for the probe guest to speak; it has no event that says so."""
    started = time.monotonic()
    while time.monotonic() - started < PROBE_SECONDS:
        if probe.ANSWER in answer.read_bytes():
            return Verdict("KVM", f"a probe guest ran in {time.monotonic() - started:.1f} s")
        time.sleep(POLL_SECONDS)
    return Verdict("TCG", f"KVM is advertised, but a probe guest did not get through within {PROBE_SECONDS:.0f} s")


def _end(connection: libvirt.virConnect) -> None:
    domain = found(connection.lookupByName, probe.NAME)
    with contextlib.suppress(libvirt.libvirtError):
        if domain is not None:
            domain.destroy()
