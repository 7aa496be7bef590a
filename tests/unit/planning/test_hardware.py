"""The hardware of a machine: what is left open, what is said, and what cannot be."""

from typing import Any

import pytest
from tests.support.machines import make_catalog, make_found, make_image, make_machine

from drover.api.hardware import Machine
from drover.api.virtualmachine import Disk
from drover.planning import hardware
from drover.planning.action import Create
from drover.planning.references import accepted
from drover.planning.resolve import Policy, resolve
from drover.planning.virtualmachine import decide

GIB = 1 << 30
GPU = {"name": "gpu", "resource": "nvidia.com/GA102"}


def machine(**spec: Any) -> Machine:
    return hardware.machine(make_machine(**spec).spec)


def problems(**spec: Any) -> str:
    """Everything that no node could give."""
    effective = resolve("web", make_machine(**spec).spec, make_catalog(), Policy(""))
    return "; ".join(hardware.problems(effective.machine, effective.media))


def test_a_machine_that_says_nothing_has_plain_hardware() -> None:
    assert machine() == Machine(cores=1, memory_bytes=512 << 20)


def test_what_is_said_is_kept() -> None:
    found = machine(
        cpu={"cores": 2, "maxCores": 4, "model": "Nehalem"},
        memory={"size": "1Gi", "maxSize": "2Gi"},
        firmware={"type": "UEFI", "secureBoot": "Enabled", "tpm": "Enabled"},
        architecture="amd64",
        emulation="Allowed",
        machineType="q35",
        watchdog="Reset",
        graphics="Headless",
        devices=[GPU],
    )
    assert [(each.name, each.resource) for each in found.devices] == [("gpu", "nvidia.com/GA102")]
    assert (found.cores, found.max_cores, found.memory_bytes, found.max_memory_bytes) == (2, 4, GIB, 2 * GIB)
    assert (found.cpu_model, found.firmware, found.secure_boot, found.tpm) == ("Nehalem", "UEFI", "Enabled", "Enabled")
    assert (found.watchdog, found.graphics, found.machine_type) == ("Reset", "Headless", "q35")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({}, "", id="nothing"),
        pytest.param({"cpu": {"cores": 4, "maxCores": 2}}, "cpu.maxCores: 2 is less", id="fewer-cores-at-most"),
        pytest.param({"memory": {"size": "2Gi", "maxSize": "1Gi"}}, "memory.maxSize: 1Gi is less", id="less-at-most"),
        pytest.param({"memory": {"size": "1Gi", "maxSize": "2Gi", "hugepages": "2Mi"}}, "hugepages", id="huge-balloon"),
        pytest.param({"memory": {"size": "1Gi", "maxSize": "2Gi"}, "devices": [GPU]}, "devices", id="device-balloon"),
        pytest.param({"memory": {"size": "3Mi", "hugepages": "2Mi"}}, "no multiple", id="half-a-huge-page"),
        pytest.param({"firmware": {"secureBoot": "Enabled"}}, "firmware.secureBoot", id="secure-bios"),
        pytest.param({"firmware": {"type": "BIOS", "tpm": "Enabled"}}, "firmware.tpm", id="bios-with-tpm"),
        pytest.param({"firmware": {"type": "UEFI", "tpm": "Enabled"}}, "", id="uefi-with-tpm"),
        pytest.param({"architecture": "arm64", "firmware": {"tpm": "Enabled"}}, "", id="arm-is-uefi"),
        pytest.param({"architecture": "arm64", "firmware": {"type": "BIOS"}}, "no BIOS", id="arm-bios"),
        pytest.param(
            {"architecture": "arm64", "firmware": {"secureBoot": "Enabled"}}, "not available on arm64", id="arm-secure"
        ),
        pytest.param({"architecture": "arm64", "watchdog": "Pause"}, "watchdog", id="arm-watchdog"),
        pytest.param({"architecture": "arm64", "machineType": "q35"}, "is a board of amd64", id="foreign-board"),
        pytest.param({"machineType": "pc-q35-7.2"}, "", id="board"),
        pytest.param({"disks": [{"name": "cd", "type": "CDROM", "bus": "VirtIO"}]}, "SATA or SCSI", id="virtio-drive"),
        pytest.param({"disks": [{"name": "cd", "type": "CDROM", "bus": "SCSI"}]}, "", id="scsi-drive"),
    ],
)
def test_what_cannot_be_is_named(spec: dict[str, Any], words: str) -> None:
    found = problems(**spec)
    assert words in found
    assert bool(words) == bool(found)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ({"shop/disc": make_image("disc", type="ISO")}, "Accepted"),
        ({"shop/disc": make_image("disc")}, "InvalidSpec"),
        ({}, "ImageNotFound"),
    ],
    ids=["there", "a disk's", "missing"],
)
def test_the_image_in_a_drive_is_looked_for(images: Any, expected: str) -> None:
    catalog = make_catalog(images=images)
    drives = [{"name": "cd", "type": "CDROM", "image": "disc"}, {"name": "empty", "type": "CDROM"}]
    effective = resolve("web", make_machine(disks=drives).spec, catalog, Policy(""))
    assert effective.disks == ()
    assert [(each.name, each.image) for each in effective.media] == [("cd", "shop/disc"), ("empty", "")]
    assert accepted(effective, catalog).reason == expected


def test_a_disk_is_plugged_in_as_asked() -> None:
    limits = {"iops": 10, "bytesPerSecond": "1Mi", "burstIops": 20, "burstBytesPerSecond": "2Mi", "burstSeconds": 3}
    asked = {
        "name": "d",
        "bus": "SCSI",
        "cache": "Unsafe",
        "readOnly": "Enabled",
        "ephemeral": "Enabled",
        "serial": "s",
    }
    found = hardware.disk(Disk.model_validate({**asked, "bootOrder": 2, "limits": limits}))
    assert (found.bus, found.cache, found.read_only, found.ephemeral) == ("SCSI", "Unsafe", "Enabled", "Enabled")
    assert (found.serial, found.boot_order, found.limits.burst_seconds) == ("s", 2, 3)
    assert (found.limits.bytes_per_second, found.limits.burst_bytes_per_second) == (1 << 20, 2 << 20)


def test_the_ceilings_are_booked() -> None:
    spec = make_machine(cpu={"cores": 1, "maxCores": 4}, memory={"size": "1Gi", "maxSize": "4Gi"}).spec
    found = resolve("web", spec, make_catalog(), Policy(""))
    assert found.cpu_milli == 400
    assert found.booked > 4 * GIB


def test_huge_pages_are_booked_by_themselves() -> None:
    spec = make_machine(memory={"size": "1Gi", "hugepages": "2Mi"}).spec
    assert resolve("web", spec, make_catalog(), Policy("")).booked < GIB


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, None, id="any"),
        pytest.param({"architecture": "arm64"}, "arm64", id="its-own"),
        pytest.param({"architecture": "arm64", "emulation": "Allowed"}, None, id="emulated"),
    ],
)
def test_a_machine_runs_on_nodes_of_its_architecture(spec: dict[str, Any], expected: str | None) -> None:
    assert hardware.nodes(machine(**spec)) == expected


@pytest.mark.parametrize(("spec", "expected"), [({}, "arm64"), ({"emulation": "Allowed"}, None)], ids=["own", "any"])
def test_a_machine_stays_with_the_architecture_of_its_first_start(spec: dict[str, Any], expected: str | None) -> None:
    known = {"cores": 1, "memory": "1Gi", "cpuRequest": "1", "memoryRequest": "1Gi", "restartPolicy": "Always"}
    status = {"resolved": known | {"terminationGracePeriodSeconds": 60, "architecture": "arm64"}}
    (made,) = [
        each
        for stage in decide(make_found(make_machine(status=status, **spec)), now="2026-11-21T12:00:00Z").stages
        for each in stage
        if isinstance(each, Create)
    ]

    assert ("kubernetes.io/arch" in str(made.body["spec"])) is bool(expected)


def test_a_disk_that_boots_first_brings_its_kernel() -> None:
    bootable = make_image("bootable", kernel={"source": {"type": "HTTP", "http": {"url": "http://x/k"}}})
    disks: list[dict[str, Any]] = [{"name": "a", "size": "1Gi"}, {"name": "b", "image": "bootable", "bootOrder": 1}]
    catalog = make_catalog(images={"shop/bootable": bootable})
    assert resolve("web", make_machine(disks=disks).spec, catalog, Policy("")).kernel_image == "shop/bootable"
    drive: list[dict[str, Any]] = [{"name": "cd", "type": "CDROM", "bootOrder": 1}, disks[1] | {"bootOrder": 2}]
    assert resolve("web", make_machine(disks=drive).spec, catalog, Policy("")).kernel_image == ""
