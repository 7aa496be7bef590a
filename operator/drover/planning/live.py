"""What a guest in flight was given, as its record has it: short texts, written and read here alone."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from drover.api.domain import DomainDisk, DomainInterface, DomainMedium, DomainSpec, LiveMachine
from drover.api.hardware import DiskBus, DiskHardware, Machine
from drover.planning import netconfig, quantity
from drover.planning.hostdevice import Assigned
from drover.state import devices

PLUGGING = "Plugging"
"""What the guest may not have yet."""
UNPLUGGING = "Unplugging"
"""What the guest may have no more."""
NO_ADDRESS = "-"
"""Stands for the addresses of an interface that has none."""
DEVICE = "dev"
IMAGE = "image"
CHOSEN = "on"
"""The bus of a drive that the node chose."""
DRIVE: DiskBus = "SATA"
"""Stands for the bus of a drive that the node chooses."""
BOUNDS: Mapping[str, str] = {
    "iops": "iops",
    "bytes_per_second": "bytes",
    "burst_iops": "burstIops",
    "burst_bytes_per_second": "burstBytes",
    "burst_seconds": "burstSeconds",
}
"""Bounds of a disk by their names in the API, and in the text."""


@dataclass(frozen=True, slots=True)
class LiveDisk:
    """A disk, or a drive, of a guest in flight."""

    name: str
    volume: str
    """Empty of a drive."""
    size: int | None
    options: Mapping[str, str]
    """How it is plugged in."""

    @property
    def device(self) -> str:
        """The guest's name of it."""
        return self.options.get(DEVICE, "")

    @property
    def bus(self) -> str:
        """Bus it is on."""
        return self.options.get("bus") or self.options.get(CHOSEN, "VirtIO")

    @property
    def is_ephemeral(self) -> bool:
        """Whether nothing of it outlives the run."""
        return self.options.get("ephemeral") == "Enabled"

    @property
    def bounds(self) -> dict[str, str]:
        """What may change of how it is plugged in while the guest runs."""
        return {key: value for key, value in self.options.items() if key in BOUNDS.values()}

    @property
    def fixed(self) -> dict[str, str]:
        """What may not."""
        variable = {DEVICE, IMAGE, CHOSEN, *BOUNDS.values()}
        return {key: value for key, value in self.options.items() if key not in variable}

    @property
    def shown(self) -> str:
        """It, for people."""
        words = (f"{key}={value}" for key, value in self.options.items() if key not in {DEVICE, CHOSEN})
        size = "" if self.size is None else quantity.binary(self.size)
        return " ".join(word for word in (self.volume, size, *words) if word) or "empty"


def machine(spec: DomainSpec) -> LiveMachine:
    """What a start gives to the machine."""
    kernel, wanted = spec.kernel, spec.machine
    # Which of the two buses for drives it is decides nothing of a drive's name.
    buses = [disk.hardware.bus for disk in spec.disks] + [medium.bus or DRIVE for medium in spec.media]
    named = devices.names(buses)
    plugs = sum(disk.hardware.bus == "VirtIO" for disk in spec.disks) + len(spec.interfaces)
    return LiveMachine(
        cores=wanted.cores,
        max_cores=wanted.max_cores,
        memory_bytes=wanted.memory_bytes,
        max_memory_bytes=wanted.max_memory_bytes,
        settings=settings(wanted),
        ports=plugs + devices.SPARE_PORTS,
        disks=[disk_text(disk, device) for disk, device in zip(spec.disks, named, strict=False)],
        media=[medium_text(*pair) for pair in zip(spec.media, named[len(spec.disks) :], strict=True)],
        interfaces=[interface_text(each) for each in spec.interfaces],
        devices=[f"{each.name} {each.resource}" for each in wanted.devices],
        kernel=f"{kernel.image} {kernel.arguments}".strip() if kernel else "",
        seed=netconfig.remembered(spec.seed, spec.interfaces),
        plugin=spec.plugin.revision if spec.plugin else "",
    )


def settings(wanted: Machine) -> dict[str, str]:
    """What of the hardware stays as it is until the next start, by path in the machine's spec; defaults left out."""
    switches = (("secureBoot", wanted.secure_boot), ("tpm", wanted.tpm))
    firmware = [wanted.firmware or "", *(word for word, on in switches if on == "Enabled")]
    found = {
        "spec.cpu.model": "" if wanted.cpu_model == "HostModel" else wanted.cpu_model,
        "spec.memory.hugepages": wanted.hugepages or "",
        "spec.architecture": wanted.architecture or "",
        "spec.machineType": wanted.machine_type,
        "spec.firmware": " ".join(word for word in firmware if word),
        "spec.watchdog": wanted.watchdog or "",
        "spec.graphics": "" if wanted.graphics == "VNC" else wanted.graphics,
    }
    return {path: text for path, text in found.items() if text}


def disk_text(disk: DomainDisk, device: str) -> str:
    """Write a disk down."""
    size = "" if disk.size_bytes is None else str(disk.size_bytes)
    return " ".join(word for word in (disk.name, disk.volume, size, *_words(_options(disk.hardware, device))) if word)


def medium_text(medium: DomainMedium, device: str, chosen: str = "") -> str:
    """Write a drive down; `chosen`: the bus that it is on unless its spec names one."""
    options = {
        DEVICE: device,
        "bus": medium.bus or "",
        CHOSEN: "" if medium.bus else chosen,
        "serial": medium.serial,
        "order": _text(medium.boot_order),
        IMAGE: medium_image(medium),
    }
    return " ".join((medium.name, *_words(options)))


def medium_image(medium: DomainMedium) -> str:
    """What is in a drive, in one word; empty when it is empty."""
    return medium.image.image if medium.image else ""


def interface_text(interface: DomainInterface) -> str:
    """Write an interface down."""
    ips = ",".join(ip for ip in (interface.ip, interface.ipv6) if ip) or NO_ADDRESS
    model = "" if interface.model == "VirtIO" else f" {interface.model}"
    return f"{interface.name} {interface.network} {interface.mac} {ips}{model}"


def given(present: LiveMachine, devices: Iterable[Assigned]) -> LiveMachine:
    """Write down what of the node a guest gets for its devices."""
    texts = [f"{each.name} {each.resource} {','.join(each.members)}" for each in devices]
    return present.model_copy(update={"devices": texts})


def placed(present: LiveMachine, bus: DiskBus) -> LiveMachine:
    """Write down on which bus the node puts the drives whose spec names none."""
    texts = (
        text if {"bus", CHOSEN} & read_medium(text).options.keys() else f"{text} {CHOSEN}={bus}"
        for text in present.media
    )
    return present.model_copy(update={"media": list(texts)})


def resources(present: LiveMachine) -> dict[str, str]:
    """Read what each device is, by name."""
    words = (text.split() for text in present.devices)
    return {name: resource for name, resource, *_ in words}


def members(present: LiveMachine | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Read what of the node a guest has: name of each device, and the addresses of what it got with it."""
    words = (text.split() for text in (present.devices if present else ()))
    return tuple((name, tuple(rest[0].split(",")) if rest else ()) for name, _, *rest in words)


def disks(present: LiveMachine) -> dict[str, LiveDisk]:
    """Read the disks, by name."""
    return {disk.name: disk for disk in map(read_disk, present.disks)}


def media(present: LiveMachine) -> dict[str, LiveDisk]:
    """Read the drives, by name."""
    return {drive.name: drive for drive in map(read_medium, present.media)}


def read_disk(text: str) -> LiveDisk:
    """Read a disk."""
    name, *words = text.split()
    plain = [word for word in words if "=" not in word]
    size = next((int(word) for word in plain[1:] if word.isdecimal()), None)
    return LiveDisk(name, plain[0] if plain else "", size, _pairs(words))


def read_medium(text: str) -> LiveDisk:
    """Read a drive."""
    name, *words = text.split()
    return LiveDisk(name, "", None, _pairs(words))


def volumes(present: LiveMachine | None) -> Iterator[str]:
    """Names of the volumes that a guest in flight has open."""
    return (disk.volume for disk in map(read_disk, present.disks if present else ()))


def addresses(present: LiveMachine | None) -> Iterator[tuple[str, str]]:
    """Every address, hardware addresses too, that a guest in flight has, with its network."""
    for text in present.interfaces if present else ():
        _, network, mac, ips, *_ = text.split()
        yield from ((network, one) for one in (mac, *ips.split(",")) if one != NO_ADDRESS)


def plugging(present: LiveMachine | None) -> frozenset[str]:
    """What a guest may get at any moment, by path in the machine's spec."""
    changing = present.changing if present else {}
    return frozenset(path for path, step in changing.items() if step == PLUGGING)


def plugs(present: LiveMachine | None) -> tuple[str, ...]:
    """What a guest has, or may have, of what can be plugged in."""
    return (*present.disks, *present.interfaces) if present else ()


def replaced(texts: Iterable[str], name: str, text: str | None) -> list[str]:
    """Put another text in the place of the one of this name, or at the end; None takes it away."""
    found = {each.split()[0]: each for each in texts}
    found |= {name: text or ""}
    return [each for each in found.values() if each]


def _options(hardware: DiskHardware, device: str) -> dict[str, str]:
    plain = DiskHardware()
    bounds = {short: _text(getattr(hardware.limits, name)) for name, short in BOUNDS.items()}
    return {
        DEVICE: device,
        "bus": "" if hardware.bus == plain.bus else hardware.bus,
        "cache": "" if hardware.cache == plain.cache else hardware.cache,
        "readOnly": "" if hardware.read_only == "Disabled" else hardware.read_only,
        "ephemeral": "" if hardware.ephemeral == "Disabled" else hardware.ephemeral,
        "serial": hardware.serial,
        "order": _text(hardware.boot_order),
        **bounds,
    }


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _words(options: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in options.items() if value]


def _pairs(words: Iterable[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words if "=" in word)
