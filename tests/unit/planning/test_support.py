"""What a node can give a guest, and what is said to be missing."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.blueprints import make_host, make_record

from drover.api.hardware import Machine
from drover.planning.support import fitted, lacks, missing
from drover.state.host import GuestSupport

OWN = GuestSupport(
    "x86_64",
    "/usr/bin/qemu-system-x86_64",
    "pc-q35-7.2",
    frozenset({"pc-q35-7.1", "pc-q35-7.2"}),
    frozenset({"BIOS", "UEFI"}),
    graphics=frozenset({"VNC", "Headless"}),
    processors=frozenset({"Nehalem"}),
)
ARM = replace(
    OWN,
    architecture="aarch64",
    emulator="/arm",
    machine="virt-7.2",
    machines=frozenset({"virt-7.2"}),
    firmware=frozenset(),
)
HOST = make_host(guests=(OWN, ARM))
KVM = replace(HOST, accelerator="KVM")


def wanted(**changes: Any) -> Machine:
    return Machine.model_validate({"cores": 1, "memoryBytes": 1 << 30} | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({}, "", id="plain"),
        pytest.param({"firmware": "UEFI"}, "", id="uefi"),
        pytest.param({"firmware": "UEFI", "secureBoot": "Enabled"}, "no UEFI firmware with secure boot", id="secure"),
        pytest.param({"firmware": "UEFI", "tpm": "Enabled"}, "no TPM emulator (swtpm)", id="tpm"),
        pytest.param({"graphics": "SPICE"}, "no graphics SPICE", id="screen"),
        pytest.param({"cpuModel": "Nehalem"}, "", id="named-processor"),
        pytest.param({"cpuModel": "Maximum"}, "", id="all-that-can-be-emulated"),
        pytest.param({"cpuModel": "Z80"}, "no processor Z80", id="unknown-processor"),
        pytest.param({"cpuModel": "HostPassthrough"}, "hardware virtualisation", id="passed-through"),
        pytest.param({"hugepages": "1Gi"}, "no huge pages of 1Gi", id="huge-pages"),
        pytest.param({"machineType": "pc-q35-7.1"}, "", id="board"),
        pytest.param({"machineType": "pc-q35-9.9"}, "no machine type pc-q35-9.9", id="unknown-board"),
        pytest.param({"machineType": "pc-q35-9.9", "cpuModel": "Z80"}, "pc-q35-9.9, processor Z80", id="several"),
        pytest.param({"architecture": "arm64"}, "only with emulation: Allowed", id="foreign"),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, Any], words: str) -> None:
    found = missing(wanted(**changes), HOST, make_record(), direct=True)
    assert words in found
    assert bool(words) == bool(found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"cpuModel": "Z80"}, {"spec.cpu.model": "this node has no processor Z80"}, id="processor"),
        pytest.param(
            {"firmware": "UEFI", "secureBoot": "Enabled", "tpm": "Enabled", "graphics": "SPICE"},
            {
                "spec.firmware": "this node has no UEFI firmware with secure boot, TPM emulator (swtpm)",
                "spec.graphics": "this node has no graphics SPICE",
            },
            id="several",
        ),
        pytest.param(
            {"architecture": "arm64"},
            {"spec.architecture": "this node is amd64: it runs arm64 only with emulation: Allowed"},
            id="foreign",
        ),
    ],
)
def test_what_is_missing_is_named_by_field(changes: dict[str, Any], expected: dict[str, str]) -> None:
    assert lacks(wanted(**changes), HOST, make_record(), direct=True) == expected


@pytest.mark.parametrize(("direct", "words"), [(True, ""), (False, "no UEFI firmware for arm64")])
def test_a_foreign_machine_without_a_kernel_needs_firmware(*, direct: bool, words: str) -> None:
    machine = wanted(architecture="arm64", emulation="Allowed")
    assert words in missing(machine, HOST, make_record(), direct=direct)
    assert (
        missing(machine, replace(HOST, guests=(OWN,)), make_record(), direct=direct)
        == "this node has no QEMU for arm64"
    )


def test_a_processor_is_passed_through_where_there_is_hardware_for_it() -> None:
    assert missing(wanted(cpuModel="HostPassthrough"), KVM, make_record(), direct=True) == ""


@pytest.mark.parametrize(
    ("changes", "kept", "expected"),
    [
        pytest.param({}, "", "pc-q35-7.2", id="the-newest"),
        pytest.param({}, "pc-q35-7.1", "pc-q35-7.1", id="what-the-first-start-chose"),
        pytest.param({"machineType": "q35"}, "pc-q35-7.1", "pc-q35-7.1", id="of-the-family"),
        pytest.param({"machineType": "pc-q35-7.2"}, "pc-q35-7.1", "pc-q35-7.2", id="what-is-asked-for"),
    ],
)
def test_a_guest_keeps_its_board(changes: dict[str, Any], kept: str, expected: str) -> None:
    record = make_record(machine_type=kept, architecture="amd64" if kept else "")
    assert fitted(wanted(**changes), HOST, record).machine == expected


def test_a_foreign_guest_is_emulated_whatever_the_host_can_do() -> None:
    found = fitted(wanted(architecture="arm64"), KVM, make_record(machine_type="pc-q35-7.1", architecture="amd64"))
    assert (found.architecture, found.emulator, found.machine, found.accelerator) == (
        "aarch64",
        "/arm",
        "virt-7.2",
        "TCG",
    )
    assert fitted(wanted(), KVM, make_record()).accelerator == "KVM"
    assert fitted(wanted(), make_host(), make_record()) == make_host()
