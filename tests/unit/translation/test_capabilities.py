"""What is read from libvirt's capabilities."""

from dataclasses import replace

import pytest

from drover.errors import Unsupported
from drover.state.host import Capabilities
from drover.translation.capabilities import hugepages, read, supported

MACHINES = """
<machine maxCpus="255">pc-q35-2.12</machine><machine canonical="pc-q35-10.0" maxCpus="288">q35</machine>
<machine>pc-q35-9.2</machine><machine>pc-i440fx-11.0</machine>
"""


def make_document(
    architecture: str = "x86_64", machines: str = MACHINES, domains: str = "<domain type='qemu'/>"
) -> str:
    emulator = f"<emulator>/usr/bin/qemu-system-{architecture}</emulator>"
    arch = f"<arch name='{architecture}'>{emulator}{machines}{domains}</arch>"
    other = "<guest><arch name='i686'><emulator>/usr/bin/qemu-system-i386</emulator></arch></guest>"
    return (
        f"<capabilities><host><cpu><arch>{architecture}</arch></cpu></host>{other}<guest>{arch}</guest></capabilities>"
    )


@pytest.mark.parametrize(
    ("domains", "kvm"),
    [("<domain type='qemu'/>", False), ("<domain type='qemu'/><domain type='kvm'/>", True)],
)
def test_the_newest_machine_and_the_advertised_accelerator_are_read(domains: str, *, kvm: bool) -> None:
    found = read(make_document(domains=domains))

    assert replace(found, guests=()) == Capabilities("x86_64", "/usr/bin/qemu-system-x86_64", "pc-q35-10.0", kvm=kvm)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param(make_document("riscv64"), "riscv64", id="architecture"),
        pytest.param(make_document(machines=""), "no machine type", id="machine"),
        pytest.param("<capabilities/>", "unknown", id="nothing"),
        pytest.param(
            "<capabilities><host><cpu><arch>aarch64</arch></cpu></host></capabilities>", "no QEMU", id="emulator"
        ),
    ],
)
def test_a_host_that_can_run_no_guest_is_refused(document: str, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        read(document)


ABLE = """
<domainCapabilities>
  <os><enum name='firmware'>{firmware}</enum><loader><enum name='secure'>{secure}</enum></loader></os>
  <cpu><mode name='custom'><model usable='yes'>Nehalem</model><model usable='no'>EPYC</model>
    <model usable='unknown'>cortex-a57</model></mode></cpu>
  <devices>
    <graphics><enum name='type'><value>vnc</value></enum></graphics>
    <tpm><enum name='backendModel'>{tpm}</enum></tpm>
  </devices>
</domainCapabilities>
"""
EFI, YES, EMULATOR = "<value>efi</value>", "<value>yes</value>", "<value>emulator</value>"


@pytest.mark.parametrize(
    ("architecture", "able", "firmware", "tpm"),
    [
        pytest.param("x86_64", (EFI, YES, EMULATOR), {"BIOS", "UEFI", "SecureBoot"}, True, id="all"),
        pytest.param("x86_64", (EFI, "", ""), {"BIOS", "UEFI"}, False, id="uefi"),
        pytest.param("x86_64", ("", YES, ""), {"BIOS"}, False, id="bios"),
        pytest.param("aarch64", ("", "", ""), set(), False, id="nothing"),
    ],
)
def test_what_guests_can_be_given_is_read(
    architecture: str, able: tuple[str, str, str], firmware: set[str], *, tpm: bool
) -> None:
    machine = "<machine>virt-7.2</machine>" if architecture == "aarch64" else MACHINES
    (guest,) = read(make_document(architecture, machine)).guests
    found = supported(guest, ABLE.format(firmware=able[0], secure=able[1], tpm=able[2]))
    assert (set(found.firmware), found.tpm, set(found.graphics)) == (firmware, tpm, {"VNC", "Headless"})
    assert found.processors == {"Nehalem", "cortex-a57"}


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ("<pages unit='KiB' size='2048'>7</pages>", {"2Mi"}),
        ("<pages unit='KiB' size='2048'>0</pages>", set()),
        ("", set()),
    ],
)
def test_huge_pages_count_when_there_are_some(pages: str, expected: set[str]) -> None:
    document = f"<capabilities><host><topology><cells><cell>{pages}</cell></cells></topology></host></capabilities>"
    assert hugepages(document) == expected


def test_the_hosts_own_guests_come_first() -> None:
    other = "<guest><arch name='aarch64'><emulator>/arm</emulator><machine>virt-7.2</machine></arch></guest>"
    found = read(make_document().replace("</capabilities>", f"{other}</capabilities>")).guests
    assert [each.platform for each in found] == ["amd64", "arm64"]
