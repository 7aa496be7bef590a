"""What is read from libvirt's capabilities."""

import pytest

from drover.errors import Unsupported
from drover.state.host import Capabilities
from drover.translation.capabilities import read

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

    assert found == Capabilities("x86_64", "/usr/bin/qemu-system-x86_64", "pc-q35-10.0", kvm=kvm)


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
