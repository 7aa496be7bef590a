"""Names and turns of a guest's disks: the same for who writes them down and for who plugs them in."""

from collections.abc import Iterable, Sequence
from string import ascii_lowercase

from drover.api.hardware import DiskBus

PREFIXES: dict[DiskBus, str] = {"VirtIO": "vd", "SCSI": "sd", "SATA": "sd"}
SPARE_PORTS = 4
"""Slots of the board that stay free for what is plugged in while the guest runs."""


def names(buses: Sequence[DiskBus], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """Name devices by their buses, in order: vda, vdb …, sda …; none of those that are taken."""
    used, found = set(taken), []
    for bus in buses:
        free = (f"{PREFIXES[bus]}{letter}" for letter in ascii_lowercase)
        found.append(next(name for name in free if name not in used))
        used.add(found[-1])
    return tuple(found)


def drive_bus(architecture: str) -> DiskBus:
    """Choose the bus of a drive whose spec names none: boards but those of PCs have no SATA."""
    return "SATA" if architecture == "x86_64" else "SCSI"


def turns(wanted: Sequence[int | None]) -> tuple[int, ...]:
    """Number what may hold a boot loader, from 1: first those with a wish, by it, then the others as they come."""
    ranked = sorted(range(len(wanted)), key=lambda index: (wanted[index] is None, wanted[index] or 0, index))
    return tuple(ranked.index(index) + 1 for index in range(len(wanted)))
