"""The node's PCI devices as its kernel shows them, and which of them libvirt's guests have; blocking, see `domain`."""

import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import libvirt
from drover.errors import Refused
from drover.hypervisor.domain import guest
from drover.hypervisor.errors import found
from drover.state.guest import Guest
from drover.state.hostdevice import Claim, DeviceModel, PciDevice
from drover.translation.domain.hostdevices import passed

LOG = logging.getLogger(__name__)
MOST = 4096
"""Devices, disks and network interfaces that are looked at."""
LONGEST = 256
"""Characters of what the kernel says of one thing."""
UP = 1
"""IFF_UP."""
UNSAFE = "vfio-noiommu"
"""Name of groups that stand for no IOMMU at all."""


def inventory(sysfs: Path) -> tuple[PciDevice, ...]:
    """Read the devices below `sysfs`, where the kernel shows them; one that goes meanwhile is left out."""
    uses = defaultdict(list)
    for address, words in (*_disks(sysfs), *_interfaces(sysfs)):
        uses[address].append(words)
    read = (_device(path, uses[path.name]) for path in _entries(sysfs / "bus" / "pci" / "devices"))
    return tuple(device for device in read if device is not None)


def claims(connection: libvirt.virConnect) -> tuple[Claim, ...]:
    """Find the devices that guests' definitions name, strangers' guests too; one that vanishes is left out."""
    seen = (found(_claim, domain, connection) for domain in connection.listAllDomains())
    return tuple(claim for claim in seen if claim is not None)


def _claim(domain: libvirt.virDomain, connection: libvirt.virConnect) -> Claim | None:
    devices = passed(domain.XMLDesc())
    if not devices:
        return None
    ours, active = _ours(connection, domain), bool(domain.isActive())
    owner = f"{ours.record.namespace}/{ours.record.machine}" if ours else domain.name()
    # A start is written down with the definition that it begins: until its end is, it has what that names.
    begun = ours is not None and ours.record.live is not None
    return Claim(domain.UUIDString(), owner, ours is not None, active or begun, devices)


def _ours(connection: libvirt.virConnect, domain: libvirt.virDomain) -> Guest | None:
    try:
        return guest(connection, domain.UUIDString())
    except Refused as error:
        LOG.warning("guest counts as a stranger's", extra={"uuid": domain.UUIDString(), "error": str(error)})
        return None


def _entries(directory: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(islice(directory.iterdir(), MOST))
    return []


def _text(path: Path) -> str:
    with contextlib.suppress(OSError), path.open(encoding="ascii", errors="replace") as file:
        return file.read(LONGEST).strip()
    return ""


def _number(path: Path) -> str:
    """Read a number that the kernel writes as 0x…; empty when there is none."""
    return _text(path).removeprefix("0x")


def _device(path: Path, uses: list[str]) -> PciDevice | None:
    model = DeviceModel(_number(path / "vendor"), _number(path / "device"))
    if not (model.vendor and model.product):
        return None
    functions = _text(path / "sriov_numvfs")
    virtual = [f"{functions} virtual functions"] if functions not in {"", "0"} else []
    return PciDevice(
        address=path.name,
        model=model,
        kind=_number(path / "class"),
        driver=_link(path / "driver"),
        group=_group(path / "iommu_group"),
        uses=(*uses, *virtual),
    )


def _link(path: Path) -> str:
    """Name of what a link leads to, empty without one."""
    return path.resolve().name if path.is_symlink() else ""


def _group(path: Path) -> int | None:
    name = _link(path)
    return int(name) if name.isdecimal() and _text(path / "name") != UNSAFE else None


def _disks(sysfs: Path) -> Iterator[tuple[str, str]]:
    """Find disks and the devices they are on: nobody here can tell whether something on one is in use."""
    return _upon(sysfs / "class" / "block", lambda path: f"disk {path.name}")


def _interfaces(sysfs: Path) -> Iterator[tuple[str, str]]:
    """Find network interfaces that are up, and the devices they are on."""
    return _upon(sysfs / "class" / "net", _interface)


def _interface(path: Path) -> str:
    flags = _number(path / "flags")
    with contextlib.suppress(ValueError):
        if int(flags, 16) & UP or (path / "master").is_symlink():
            return f"network interface {path.name} is up"
    return ""


def _upon(directory: Path, tell: Callable[[Path], str]) -> Iterator[tuple[str, str]]:
    for path in _entries(directory):
        words = tell(path)
        # The device is the last one on the way: those before it are bridges.
        on = [part for part in path.resolve().parts if part.count(":") == 2 and "." in part]
        if words and on and not (path / "partition").exists():
            yield on[-1], words
