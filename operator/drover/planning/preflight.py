"""Is a node fit for guests? From what was found to findings, each with what to do about it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from drover.planning import libvirt_trouble, quantity
from drover.planning.versions import is_older
from drover.state.node import NodeFacts, Storage

MINIMUM_LIBVIRT = "9.0.0"
MINIMUM_QEMU = "7.2.0"
CONTROLLERS = frozenset({"cpu", "cpuset", "devices", "memory"})
"""Control groups that libvirt puts guests into; cgroup v2 has no controller for devices, and needs none."""
VOLATILE = frozenset({"tmpfs", "ramfs", "overlay"})
"""File systems that lose their content with the node's power, or with the pod."""
REMOTE = frozenset({"nfs", "nfs4", "cifs", "fuse.sshfs"})
LEAST_FREE, ENOUGH_FREE = 1 << 30, 10 << 30
CLOCK_NOTICED, CLOCK_WRONG = 5.0, 60.0
"""Seconds; the API server tells its time in whole seconds."""
Verdict = Literal["ok", "warning", "failure", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""
    """What to do; empty when nothing is to be done."""


def judge(facts: NodeFacts) -> tuple[Finding, ...]:
    """Judge everything, always in the same order."""
    return tuple(finding for check in CHECKS for finding in check(facts))


def failed(findings: tuple[Finding, ...]) -> bool:
    """Tell whether the node cannot be used as it is."""
    return any(finding.verdict == "failure" for finding in findings)


def _libvirt(facts: NodeFacts) -> Iterator[Finding]:
    if facts.libvirt_trouble:
        yield Finding(
            "libvirt", "failure", facts.libvirt_trouble, _sentence(libvirt_trouble.advice(facts.libvirt_trouble))
        )
        return
    if facts.host is None:
        advice = "Install QEMU for the processor of this node (Debian: qemu-system-x86)."
        yield Finding("libvirt", "failure", facts.host_trouble or "it says nothing of the host", advice)
        return
    yield Finding("libvirt", "ok", "it answers, and may be told what to do")
    yield _version("libvirt version", facts.host.libvirt_version, MINIMUM_LIBVIRT)
    yield _version("QEMU version", facts.host.qemu_version, MINIMUM_QEMU)


def _version(check: str, version: str, minimum: str) -> Finding:
    if is_older(version, minimum):
        return Finding(check, "failure", version, f"Install {minimum} or later; Debian 12 and Ubuntu 23.04 have it.")
    return Finding(check, "ok", f"{version}, at least {minimum} is needed")


def _acceleration(facts: NodeFacts) -> Iterator[Finding]:
    if facts.host is not None and facts.host.accelerator == "KVM":
        yield Finding("KVM", "ok", facts.host.accelerator_detail)
        return
    found = facts.host.accelerator_detail if facts.host else "it could not be tried"
    yield Finding("KVM", "warning", f"guests are emulated, many times slower: {found}", _how_to_accelerate(facts))


def _how_to_accelerate(facts: NodeFacts) -> str:
    if facts.virtualization is False:
        return (
            "Switch virtualization (VT-x, AMD-V) on in the firmware; if the node is a guest, let its own host pass it"
            " on (nested virtualization)."
        )
    if facts.kvm_device is False:
        module = {"Intel": "kvm_intel", "AMD": "kvm_amd"}.get(facts.processor, "kvm")
        return f"Load the kernel's module on the node: modprobe {module}."
    return "Look at libvirtd's and QEMU's logs on the node; virt-host-validate says more."


def _nested(facts: NodeFacts) -> Iterator[Finding]:
    if facts.nested is None:
        yield Finding("nested guests", "unknown", "the kernel's module for virtualization is not loaded")
    elif facts.nested:
        yield Finding("nested guests", "ok", "guests may have guests")
    else:
        yield Finding("nested guests", "ok", "guests cannot have guests, which few need")


def _cgroups(facts: NodeFacts) -> Iterator[Finding]:
    version = facts.cgroup_version
    if version == 0:
        yield Finding("cgroups", "failure", "none are mounted", "Mount /sys/fs/cgroup, as systemd does.")
        return
    needed = CONTROLLERS - ({"devices"} if version == 2 else set())
    if missing := sorted(needed - facts.cgroup_controllers):
        advice = f"Enable {', '.join(missing)} on the kernel's command line (cgroup_enable=)."
        yield Finding("cgroups", "failure", f"version {version} without {', '.join(missing)}", advice)
    elif version == 1:
        advice = "Plan for version 2: newer kubelets start on version 1 only when told to (failCgroupV1: false)."
        yield Finding("cgroups", "warning", "version 1", advice)
    else:
        yield Finding("cgroups", "ok", "version 2 with all that guests need")


def _networks(facts: NodeFacts) -> Iterator[Finding]:
    parts = (
        ("dnsmasq", facts.dnsmasq, "Install it (Debian: dnsmasq-base): virtual networks of type NAT need it."),
        ("bridges", facts.bridges, "Load the kernel's module on the node: modprobe bridge."),
        ("netfilter", facts.netfilter, "Load the kernel's module on the node: modprobe nf_tables."),
    )
    for check, there, advice in parts:
        if there is None:
            yield Finding(check, "unknown", "it cannot be seen from here", "Run this on the node, or with --root.")
        else:
            yield Finding(check, "ok", "it is there") if there else Finding(check, "failure", "it is missing", advice)


def _storage(facts: NodeFacts) -> Iterator[Finding]:
    found = facts.storage
    if found is None:
        advice = "Mount the node's folder, by default /var/lib/drover, at the same path, or create it."
        yield Finding("storage", "failure", "the folder of the state is not there", advice)
        return
    yield _file_system(found)
    yield _room(found)


def _file_system(found: Storage) -> Finding:
    if found.kind in VOLATILE:
        advice = "Mount the node's folder there: what is kept here is lost with the node's power or the pod."
        return Finding("file system", "failure", f"{found.path} is on {found.kind}", advice)
    if found.kind in REMOTE:
        advice = "Keep the state on a disk of the node: guests and locks depend on it."
        return Finding("file system", "warning", f"{found.path} is on {found.kind}", advice)
    return Finding("file system", "ok", f"{found.path} is on {found.kind or 'an unknown file system'}")


def _room(found: Storage) -> Finding:
    free = f"{_rounded(found.free_bytes)} of {_rounded(found.total_bytes)} free"
    advice = f"Give {found.path} more room: images and, unless a pool says otherwise, disks are kept there."
    if found.free_bytes < LEAST_FREE:
        return Finding("free space", "failure", free, advice)
    if found.free_bytes < ENOUGH_FREE:
        return Finding("free space", "warning", free, advice)
    return Finding("free space", "ok", free)


def _rounded(count: int) -> str:
    shift = 30 if count >> 30 else 20
    return quantity.binary(count >> shift << shift)


def _clock(facts: NodeFacts) -> Iterator[Finding]:
    ahead = facts.clock_ahead_seconds
    if ahead is None:
        yield Finding("clock", "unknown", facts.clock_trouble or "the API server was not asked")
        return
    off = f"{abs(ahead):.0f} s {'before' if ahead > 0 else 'behind'} the API server's"
    advice = "Synchronise the clocks of node and control plane (chrony, systemd-timesyncd)."
    if abs(ahead) >= CLOCK_WRONG:
        yield Finding("clock", "failure", off, advice)
    elif abs(ahead) >= CLOCK_NOTICED:
        yield Finding("clock", "warning", off, advice)
    else:
        yield Finding("clock", "ok", "as the API server's")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


CHECKS: tuple[Callable[[NodeFacts], Iterator[Finding]], ...] = (
    _libvirt,
    _acceleration,
    _nested,
    _cgroups,
    _networks,
    _storage,
    _clock,
)
