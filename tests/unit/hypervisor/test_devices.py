"""Verbs on the hardware of a guest in flight: each done once, and none on a guest that has ended."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import pytest
from tests.support.blueprints import UUID, make_disk, make_interface, make_record
from tests.support.fake_libvirt import make_error

import libvirt
from drover.api.hardware import DiskBounds
from drover.errors import Busy, NotReady, Retryable
from drover.hypervisor import devices
from drover.hypervisor.errors import converted
from drover.translation import record
from drover.translation.domain import disks, interfaces
from drover.translation.xml import Element, element, render

PATH = PurePosixPath("/pool/uid-data.qcow2")


@dataclass
class FakeDomain:
    """A guest that takes what it is given, and lets go of it, or not."""

    parts: list[Element] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    active: bool = True
    holds: bool = False
    cores: int = 1
    fails: int | None = None

    def isActive(self) -> bool:  # noqa: N802
        return self.active

    def isPersistent(self) -> bool:  # noqa: N802
        return True

    def metadata(self, *_about: object) -> str:
        return record.to_text(make_record())

    def XMLDesc(self) -> str:  # noqa: N802
        return render(element("domain", element("devices", *self.parts)))

    def vcpusFlags(self, _flags: int) -> int:  # noqa: N802
        return self.cores

    def blockInfo(self, _device: str) -> list[int]:  # noqa: N802
        return [1 << 20, 0, 0]

    def detachDeviceFlags(self, _document: str, _flags: int) -> None:  # noqa: N802
        self._call("detach")
        if not self.holds:
            self.parts.clear()

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments: self._call(name)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.fails is not None:
            raise make_error(self.fails)


@dataclass
class FakeConnection:
    """libvirt with one guest."""

    domain: FakeDomain

    def lookupByUUIDString(self, uuid: str) -> FakeDomain:  # noqa: N802
        assert uuid == UUID
        return self.domain


def call(domain: FakeDomain, verb: Any, *arguments: Any) -> list[str]:
    """Use a verb on a guest; give what libvirt was asked."""
    with converted():
        verb(FakeConnection(domain), UUID, *arguments)
    return domain.calls


def disk() -> Element:
    return disks.rendered(make_disk("data"), PATH, "vdb")


def interface() -> Element:
    return interfaces.rendered(UUID, make_interface("lan"))


DRIVE = element("disk", element("alias", name="ua-disk-cd"), type="file", device="cdrom")
FULL = element("disk", element("source", file="/iso"), element("alias", name="ua-disk-cd"), device="cdrom")


@pytest.mark.parametrize(
    ("parts", "verb", "arguments", "expected"),
    [
        pytest.param([], devices.set_cores, (2,), ["setVcpusFlags"], id="cores"),
        pytest.param([], devices.set_cores, (1,), [], id="cores that are there"),
        pytest.param([], devices.set_memory, (1 << 28,), ["setMemoryFlags"], id="memory"),
        pytest.param([], devices.attach_disk, (make_disk("data"), PATH, "vdb"), ["attachDeviceFlags"], id="disk"),
        pytest.param([disk()], devices.attach_disk, (make_disk("data"), PATH, "vdb"), [], id="a disk that is there"),
        pytest.param([disk()], devices.detach_disk, ("data",), ["detach"], id="a disk less"),
        pytest.param([], devices.detach_disk, ("data",), [], id="a disk that is gone"),
        pytest.param([disk()], devices.resize_disk, ("data", 2 << 20), ["blockResize"], id="a larger disk"),
        pytest.param([disk()], devices.resize_disk, ("data", 1 << 20), [], id="a disk that is large enough"),
        pytest.param([], devices.resize_disk, ("data", 2 << 20), [], id="no disk to grow"),
        pytest.param([disk()], devices.limit_disk, ("data", DiskBounds(iops=1)), ["setBlockIoTune"], id="bounds"),
        pytest.param([], devices.limit_disk, ("data", DiskBounds(iops=1)), [], id="no disk to bound"),
        pytest.param([DRIVE], devices.set_medium, ("cd", PATH), ["updateDeviceFlags"], id="a disc"),
        pytest.param([FULL], devices.set_medium, ("cd", PurePosixPath("/iso")), [], id="the same disc"),
        pytest.param([], devices.set_medium, ("cd", PATH), [], id="no drive"),
        pytest.param([], devices.attach_interface, (make_interface("lan"),), ["attachDeviceFlags"], id="interface"),
        pytest.param([interface()], devices.attach_interface, (make_interface("lan"),), [], id="a wire that is there"),
        pytest.param([interface()], devices.detach_interface, ("lan",), ["detach"], id="an interface less"),
    ],
)
def test_a_guest_is_changed_only_if_it_differs(
    parts: list[Element], verb: Any, arguments: tuple[Any, ...], expected: list[str]
) -> None:
    assert call(FakeDomain(list(parts)), verb, *arguments) == expected


@pytest.mark.parametrize(
    ("part", "verb", "name"),
    [(disk, devices.detach_disk, "data"), (interface, devices.detach_interface, "lan")],
    ids=["disk", "interface"],
)
def test_a_guest_that_holds_on_is_asked_again(part: Any, verb: Any, name: str) -> None:
    with pytest.raises(NotReady, match=f"has not let go of .* {name}") as caught:
        call(FakeDomain([part()], holds=True), verb, name)

    assert (caught.value.reason, caught.value.delay) == ("Unplugging", devices.UNPLUG_SECONDS)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(libvirt.VIR_ERR_DEVICE_MISSING, NotReady, id="gone"),
        pytest.param(libvirt.VIR_ERR_OPERATION_FAILED, NotReady, id="asked before"),
        pytest.param(libvirt.VIR_ERR_INTERNAL_ERROR, NotReady, id="in the process of unplug"),
        pytest.param(libvirt.VIR_ERR_RESOURCE_BUSY, Busy, id="busy"),
    ],
)
def test_a_request_that_is_under_way_is_waited_for(code: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(FakeDomain([disk()], fails=code), devices.detach_disk, "data")


def test_what_qemu_refuses_is_the_hosts_trouble() -> None:
    with pytest.raises(Retryable) as caught:
        call(FakeDomain(fails=libvirt.VIR_ERR_INTERNAL_ERROR), devices.set_cores, 2)

    assert caught.value.reason == "HotPlugFailed"


def test_a_guest_that_has_just_ended_is_left_alone() -> None:
    with pytest.raises(Busy):
        call(FakeDomain(active=False), devices.set_memory, 1 << 28)
