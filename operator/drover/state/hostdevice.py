"""PCI devices of a node, who may have them and who has them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """What a device is, by the numbers that it tells; four hexadecimal digits each."""

    vendor: str
    product: str

    def __str__(self) -> str:
        return f"{self.vendor}:{self.product}"


@dataclass(frozen=True, slots=True)
class PciDevice:
    """One function of a device on the node's PCI bus."""

    address: str
    """Domain, bus, slot and function, such as 0000:01:00.0."""
    model: DeviceModel
    kind: str
    """Its class: six hexadecimal digits."""
    driver: str = ""
    """Driver that it is bound to, empty without one."""
    group: int | None = None
    """IOMMU group; None without an IOMMU."""
    uses: tuple[str, ...] = ()
    """What the node itself does with it, each in a few words."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An administrator's word that machines may have a kind of device."""

    resource: str
    """Name under which it is counted."""
    model: DeviceModel
    addresses: frozenset[str] = frozenset()
    """Only those that are there; empty: wherever there is one."""
    companions: frozenset[DeviceModel] = frozenset()
    """What may go along because it shares the device's IOMMU group."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Devices that a guest's definition names."""

    uuid: str
    owner: str
    """namespace/name of the machine, or libvirt's name of a guest that is none."""
    ours: bool
    holds: bool
    """Whether it has them now, or a start with them was begun; else it had them when it was last on."""
    devices: tuple[tuple[str, str], ...]
    """Address of each, and the machine's name of the device that it came with; empty where that is not known."""

    @property
    def addresses(self) -> frozenset[str]:
        """Where they are."""
        return frozenset(address for address, _ in self.devices)
