"""Gathering what is known of the node: nothing here judges it."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drover.errors import OperatorError, Unavailable
from drover.hypervisor.errors import HypervisorFault
from drover.hypervisor.inspection import inspect
from drover.preflight.clock import Clock
from drover.state.host import HostFacts
from drover.state.node import CgroupVersion, NodeFacts, Storage

PROGRAMS = ("usr/sbin", "usr/bin", "sbin", "bin", "usr/local/sbin", "usr/local/bin")
NESTED = ("kvm_intel", "kvm_amd")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the node is looked at."""

    root: Path
    """Its root directory, mounted anywhere when this runs in a container."""
    kernel: Path
    """What /proc, /sys and /dev lie in."""
    state: Path
    """Folder of the agent's state."""
    libvirt_uri: str
    inside: bool = False
    """Whether this is a container that does not see the node's root: what is missing may be there all the same."""


def gather(place: Place, clock: Clock) -> NodeFacts:
    """Look at everything."""
    host, libvirt_trouble, host_trouble = _host(place)
    version, controllers = _cgroups(place.kernel)
    processor, virtualization = _processor(place.kernel)
    return NodeFacts(
        libvirt_trouble=libvirt_trouble,
        host=host,
        host_trouble=host_trouble,
        cgroup_version=version,
        cgroup_controllers=controllers,
        kvm_device=_seen(place, any((each / "dev/kvm").exists() for each in (place.kernel, place.root))),
        processor=processor,
        virtualization=virtualization,
        nested=_nested(place.kernel),
        dnsmasq=_seen(place, _runs(place.kernel, "dnsmasq") or _installed(place.root, "dnsmasq")),
        bridges=_module(place, "bridge", place.kernel / "proc/sys/net/bridge"),
        netfilter=_module(place, "nf_tables", place.kernel / "proc/net/ip_tables_names"),
        storage=_storage(place),
        clock_ahead_seconds=clock.ahead_seconds,
        clock_trouble=clock.trouble,
    )


def _host(place: Place) -> tuple[HostFacts | None, str, str]:
    """Facts of libvirt's host, why libvirt cannot be reached, and why it does not tell them."""
    boot_id = _text(place.kernel / "proc/sys/kernel/random/boot_id").strip()
    try:
        return inspect(place.libvirt_uri, place.state, boot_id), "", ""
    except Unavailable as error:
        return None, str(error), ""
    except (OperatorError, HypervisorFault, OSError) as error:
        return None, "", str(error)


def _cgroups(kernel: Path) -> tuple[CgroupVersion, frozenset[str]]:
    unified = kernel / "sys/fs/cgroup/cgroup.controllers"
    if unified.exists():
        return 2, frozenset(_text(unified).split())
    lines = (line.split() for line in _text(kernel / "proc/cgroups").splitlines() if not line.startswith("#"))
    mounted = frozenset(name for name, hierarchy, _, enabled in lines if hierarchy != "0" and enabled == "1")
    return (1, mounted) if mounted else (0, mounted)


def _processor(kernel: Path) -> tuple[Literal["Intel", "AMD", "Other"], bool | None]:
    words = set(_text(kernel / "proc/cpuinfo").split())
    if "GenuineIntel" in words:
        return "Intel", "vmx" in words
    if "AuthenticAMD" in words:
        return "AMD", "svm" in words
    return "Other", None


def _nested(kernel: Path) -> bool | None:
    found = [_text(kernel / "sys/module" / name / "parameters/nested").strip() for name in NESTED]
    said = [text for text in found if text]
    return said[0] in {"1", "Y"} if said else None


def _installed(root: Path, program: str) -> bool:
    return any((root / directory / program).exists() for directory in PROGRAMS)


def _runs(kernel: Path, program: str) -> bool:
    return any(_text(path).strip() == program for path in (kernel / "proc").glob("[0-9]*/comm"))


def _seen(place: Place, there: bool) -> bool | None:  # noqa: FBT001 - it answers "is it there?"
    return there or (None if place.inside else False)


def _module(place: Place, name: str, sign: Path) -> bool | None:
    """Whether the kernel has a module, built in or loaded or ready to be; ``None`` when its list is not seen here."""
    if (place.kernel / "sys/module" / name).exists() or sign.exists():
        return True
    release = _text(place.kernel / "proc/sys/kernel/osrelease").strip()
    lists = [place.root / "lib/modules" / release / each for each in ("modules.dep", "modules.builtin")]
    texts = [_text(path) for path in lists if path.exists()]
    return any(f"/{name}.ko" in text for text in texts) if texts else None


def _storage(place: Place) -> Storage | None:
    with suppress(OSError):
        found = os.statvfs(place.state)
        return Storage(
            path=str(place.state),
            kind=file_system(place.state.resolve(), _text(place.kernel / "proc/self/mountinfo")),
            total_bytes=found.f_blocks * found.f_frsize,
            free_bytes=found.f_bavail * found.f_frsize,
        )
    return None


def file_system(path: Path, mounts: str) -> str:
    """Find the kind of the file system that holds a path in the kernel's table of mounts, the last mounted winning."""
    best, kind = Path(), ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].encode().decode("unicode_escape"))
        if path.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, after.split()[0]
    return kind


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
