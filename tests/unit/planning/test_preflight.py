from dataclasses import replace

import pytest

from drover.planning.preflight import Finding, failed, judge
from drover.state.host import HostFacts
from drover.state.node import NodeFacts, Storage

GIB = 1 << 30
HOST = HostFacts(
    architecture="x86_64",
    emulator="/usr/bin/qemu-system-x86_64",
    accelerator="KVM",
    accelerator_detail="a probe guest ran in 0.2 s",
    machine="pc-q35-7.2",
    cores=8,
    memory_bytes=64 * GIB,
    libvirt_version="9.0.0",
    qemu_version="7.2.0",
)
EMULATED = replace(HOST, accelerator="TCG", accelerator_detail="libvirt offers no KVM on this host")
STORAGE = Storage("/var/lib/drover", "ext4", 100 * GIB, 50 * GIB)
FIT = NodeFacts(
    host=HOST,
    cgroup_version=2,
    cgroup_controllers=frozenset({"cpu", "cpuset", "memory"}),
    kvm_device=True,
    virtualization=True,
    nested=True,
    dnsmasq=True,
    bridges=True,
    netfilter=True,
    storage=STORAGE,
    clock_ahead_seconds=0.3,
)
V1 = replace(FIT, cgroup_version=1, cgroup_controllers=frozenset({"cpu", "cpuset", "devices", "memory"}))


def find(facts: NodeFacts, check: str) -> Finding:
    return next(each for each in judge(facts) if each.check == check)


def test_a_node_that_has_everything_is_fit_and_nothing_is_to_be_done() -> None:
    findings = judge(FIT)

    assert ({each.verdict for each in findings}, {each.advice for each in findings}) == ({"ok"}, {""})


@pytest.mark.parametrize(
    ("facts", "check", "verdict", "words"),
    [
        (replace(FIT, libvirt_trouble="Permission denied"), "libvirt", "failure", "Let the agent run as root"),
        (replace(FIT, host=None, host_trouble="no QEMU"), "libvirt", "failure", "Install QEMU"),
        (replace(FIT, host=None), "libvirt", "failure", "Install QEMU"),
        (replace(FIT, host=replace(HOST, libvirt_version="8.0.0")), "libvirt version", "failure", "9.0.0 or later"),
        (replace(FIT, host=replace(HOST, qemu_version="6.2.0")), "QEMU version", "failure", "7.2.0 or later"),
        (replace(FIT, host=EMULATED, virtualization=False), "KVM", "warning", "in the firmware"),
        (replace(FIT, host=EMULATED, kvm_device=False, processor="AMD"), "KVM", "warning", "modprobe kvm_amd"),
        (replace(FIT, host=EMULATED, kvm_device=False), "KVM", "warning", "modprobe kvm."),
        (replace(FIT, host=EMULATED), "KVM", "warning", "virt-host-validate"),
        (replace(FIT, cgroup_version=0), "cgroups", "failure", "/sys/fs/cgroup"),
        (replace(FIT, cgroup_controllers=frozenset({"cpu"})), "cgroups", "failure", "Enable cpuset, memory"),
        (replace(V1, cgroup_controllers=FIT.cgroup_controllers), "cgroups", "failure", "Enable devices"),
        (V1, "cgroups", "warning", "failCgroupV1"),
        (replace(FIT, dnsmasq=False), "dnsmasq", "failure", "dnsmasq-base"),
        (replace(FIT, bridges=False), "bridges", "failure", "modprobe bridge"),
        (replace(FIT, netfilter=None), "netfilter", "unknown", "--root"),
        (replace(FIT, storage=None), "storage", "failure", "/var/lib/drover"),
        (replace(FIT, storage=replace(STORAGE, kind="overlay")), "file system", "failure", "lost"),
        (replace(FIT, storage=replace(STORAGE, kind="nfs4")), "file system", "warning", "a disk of the node"),
        (replace(FIT, storage=replace(STORAGE, free_bytes=2 * GIB)), "free space", "warning", "more room"),
        (replace(FIT, storage=replace(STORAGE, free_bytes=9 << 20)), "free space", "failure", "more room"),
        (replace(FIT, clock_ahead_seconds=-7.0), "clock", "warning", "Synchronise"),
        (replace(FIT, clock_ahead_seconds=61.0), "clock", "failure", "Synchronise"),
    ],
)
def test_what_is_amiss_comes_with_what_to_do(facts: NodeFacts, check: str, verdict: str, words: str) -> None:
    found = find(facts, check)

    assert (found.verdict, words in found.advice) == (verdict, True), found


@pytest.mark.parametrize(
    ("facts", "check", "found"),
    [
        (replace(FIT, host=None), "KVM", "guests are emulated, many times slower: it could not be tried"),
        (replace(FIT, nested=False), "nested guests", "guests cannot have guests, which few need"),
        (replace(FIT, nested=None), "nested guests", "the kernel's module for virtualization is not loaded"),
        (replace(FIT, clock_ahead_seconds=-61.0), "clock", "61 s behind the API server's"),
        (replace(FIT, clock_ahead_seconds=61.0), "clock", "61 s before the API server's"),
        (replace(FIT, clock_ahead_seconds=None), "clock", "the API server was not asked"),
        (replace(FIT, clock_ahead_seconds=None, clock_trouble="refused"), "clock", "refused"),
        (FIT, "free space", "50Gi of 100Gi free"),
        (
            replace(FIT, storage=replace(STORAGE, kind="")),
            "file system",
            "/var/lib/drover is on an unknown file system",
        ),
    ],
)
def test_what_was_found_is_told(facts: NodeFacts, check: str, found: str) -> None:
    assert find(facts, check).found == found


@pytest.mark.parametrize(
    ("facts", "unfit"), [(FIT, False), (replace(FIT, host=EMULATED), False), (replace(FIT, dnsmasq=False), True)]
)
def test_warnings_do_not_make_a_node_unfit(facts: NodeFacts, *, unfit: bool) -> None:
    assert failed(judge(facts)) is unfit
