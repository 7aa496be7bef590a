"""The node's devices, read from a folder like the kernel's."""

import os
from pathlib import Path

import pytest

from drover.hypervisor.hostdevice import inventory
from drover.state.hostdevice import DeviceModel, PciDevice

GPU, PORT = "0000:01:00.0", "0000:00:01.0"
ROOT = f"devices/pci0000:00/{PORT}"


def write(path: Path, text: str) -> None:
    """Make a file of the kernel's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def link(root: Path, path: str, target: str) -> None:
    """Make a link as the kernel does."""
    place, goal = root / path, root / target
    goal.mkdir(parents=True, exist_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(os.path.relpath(goal, place.parent))


def plug(root: Path, address: str, path: str, *facts: str, group: int = 1) -> None:
    """Put a device with vendor, product, class and driver into a folder like the kernel's."""
    for name, text in zip(("vendor", "device", "class"), facts, strict=False):
        write(root / path / name, text)
    link(root, f"bus/pci/devices/{address}", path)
    link(root, f"{path}/driver", f"bus/pci/drivers/{facts[-1]}")
    link(root, f"{path}/iommu_group", f"kernel/iommu_groups/{group}")


class Sys:
    """A folder like the kernel's, with a card behind a port."""

    def __init__(self, root: Path) -> None:
        self.root = root
        plug(root, PORT, ROOT, "0x8086", "0x1901", "0x060400", "pcieport")
        plug(root, GPU, f"{ROOT}/{GPU}", "0x10de", "0x2204", "0x030000", "nvidia")

    def upon(self, kind: str, name: str, *, below: str = f"{ROOT}/{GPU}/x") -> Path:
        """Put a disk or an interface onto a device."""
        link(self.root, f"class/{kind}/{name}", f"{below}/{kind}/{name}")
        return self.root / below / kind / name

    def card(self) -> PciDevice:
        """The card, as it is read."""
        return next(each for each in inventory(self.root) if each.address == GPU)


@pytest.fixture
def sys(tmp_path: Path) -> Sys:
    return Sys(tmp_path)


def test_devices_are_read_with_group_and_driver(sys: Sys) -> None:
    assert inventory(sys.root) == (
        PciDevice(PORT, DeviceModel("8086", "1901"), "060400", "pcieport", 1),
        PciDevice(GPU, DeviceModel("10de", "2204"), "030000", "nvidia", 1),
    )


def test_a_node_without_any_has_none(tmp_path: Path) -> None:
    assert inventory(tmp_path) == ()


def test_what_is_on_a_device_is_its_use(sys: Sys) -> None:
    sys.upon("block", "sda")
    write(sys.upon("block", "sda1", below=f"{ROOT}/{GPU}/x/block/sda") / "partition", "1")
    write(sys.upon("net", "eth0") / "flags", "0x1003")
    write(sys.upon("net", "eth1") / "flags", "0x1002")
    link(sys.root, f"{ROOT}/{GPU}/x/net/eth2/master", "devices/virtual/net/br0")
    write(sys.upon("net", "eth2") / "flags", "0x1002")
    sys.upon("net", "lo", below="devices/virtual/net/lo")
    write(sys.root / ROOT / GPU / "sriov_numvfs", "4")

    words = ("disk sda", "network interface eth0 is up", "network interface eth2 is up", "4 virtual functions")
    assert sys.card().uses == words
    assert inventory(sys.root)[0].uses == ()


def test_a_device_without_virtual_functions_has_no_use_for_them(sys: Sys) -> None:
    write(sys.root / ROOT / GPU / "sriov_numvfs", "0")

    assert sys.card().uses == ()


def test_a_group_without_an_iommu_is_none(sys: Sys) -> None:
    write(sys.root / "kernel/iommu_groups/1/name", "vfio-noiommu")

    assert sys.card().group is None


def test_a_device_without_driver_and_group_has_none(sys: Sys) -> None:
    for name in ("driver", "iommu_group"):
        (sys.root / ROOT / GPU / name).unlink()

    assert (sys.card().driver, sys.card().group) == ("", None)


def test_a_device_that_goes_meanwhile_is_left_out(sys: Sys) -> None:
    (sys.root / ROOT / GPU / "vendor").unlink()

    assert [each.address for each in inventory(sys.root)] == [PORT]
