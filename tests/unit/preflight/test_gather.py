from pathlib import Path

import pytest

from drover.preflight.clock import Clock
from drover.preflight.gather import Place, file_system, gather
from drover.state.node import NodeFacts

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /var/lib/drover rw shared:5 - tmpfs tmpfs rw
31 22 0:27 / /with\\040space rw - xfs /dev/vdb rw
"""
NOWHERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"


def write(root: Path, **files: str) -> None:
    for path, text in files.items():
        target = root / path.replace("__", "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def look(root: Path, *, inside: bool = False) -> NodeFacts:
    return gather(Place(root, root, root, NOWHERE, inside=inside), Clock(1.5))


def test_libvirt_that_cannot_be_reached_says_so_itself(tmp_path: Path) -> None:
    facts = look(tmp_path)

    assert ("No such file or directory" in facts.libvirt_trouble, facts.host) == (True, None)


def test_the_host_is_asked_when_libvirt_answers(tmp_path: Path) -> None:
    facts = gather(Place(tmp_path, tmp_path, tmp_path, "test:///default"), Clock())

    assert (facts.libvirt_trouble, bool(facts.host or facts.host_trouble)) == ("", True)


def test_unified_control_groups_list_their_controllers(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory\n")

    assert (look(tmp_path).cgroup_version, look(tmp_path).cgroup_controllers) == (2, frozenset({"cpu", "memory"}))


def test_control_groups_of_the_first_kind_are_those_that_are_mounted_and_enabled(tmp_path: Path) -> None:
    table = "#subsys_name hierarchy num_cgroups enabled\ncpu 1 8 1\nnet_cls 0 1 1\nmemory 4 9 0\n"
    write(tmp_path, proc__cgroups=table)

    assert (look(tmp_path).cgroup_version, look(tmp_path).cgroup_controllers) == (1, frozenset({"cpu"}))


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    facts = look(tmp_path)

    assert (facts.cgroup_version, facts.kvm_device, facts.nested, facts.dnsmasq, facts.bridges) == (
        *(0, False, None, False),
        None,
    )


def test_what_a_container_does_not_see_is_unknown(tmp_path: Path) -> None:
    facts = look(tmp_path, inside=True)

    assert (facts.kvm_device, facts.dnsmasq) == (None, None)


@pytest.mark.parametrize(
    ("words", "processor", "virtualization"),
    [
        ("vendor_id : GenuineIntel\nflags : fpu vmx", "Intel", True),
        ("vendor_id : GenuineIntel\nflags : fpu", "Intel", False),
        ("vendor_id : AuthenticAMD\nflags : fpu svm", "AMD", True),
        ("CPU implementer : 0x41", "Other", None),
    ],
)
def test_the_processor_tells_whether_it_can_virtualize(
    tmp_path: Path, words: str, processor: str, *, virtualization: bool | None
) -> None:
    write(tmp_path, proc__cpuinfo=words)

    assert (look(tmp_path).processor, look(tmp_path).virtualization) == (processor, virtualization)


@pytest.mark.parametrize(("said", "nested"), [("Y\n", True), ("1\n", True), ("N\n", False)])
def test_the_module_tells_whether_guests_may_have_guests(tmp_path: Path, said: str, *, nested: bool) -> None:
    write(tmp_path, sys__module__kvm_amd__parameters__nested=said)

    assert look(tmp_path).nested is nested


@pytest.mark.parametrize("path", ["usr__sbin__dnsmasq", "usr__local__bin__dnsmasq"])
def test_dnsmasq_is_found_where_programs_are(tmp_path: Path, path: str) -> None:
    write(tmp_path, **{path: ""})

    assert look(tmp_path).dnsmasq is True


def test_dnsmasq_that_runs_is_there_even_if_its_file_is_not_seen(tmp_path: Path) -> None:
    write(tmp_path, proc__17__comm="dnsmasq\n")

    assert look(tmp_path, inside=True).dnsmasq is True


def test_a_module_is_there_when_loaded_or_ready_to_be(tmp_path: Path) -> None:
    (tmp_path / "sys/module/bridge").mkdir(parents=True)
    write(tmp_path, proc__sys__kernel__osrelease="6.1\n")
    modules = tmp_path / "lib/modules/6.1"
    modules.mkdir(parents=True)
    (modules / "modules.dep").write_text("kernel/net/netfilter/nf_tables.ko: \n")

    assert (look(tmp_path).bridges, look(tmp_path).netfilter) == (True, True)


def test_a_module_that_is_in_no_list_is_missing(tmp_path: Path) -> None:
    write(tmp_path, proc__sys__kernel__osrelease="6.1\n")
    (tmp_path / "lib/modules/6.1").mkdir(parents=True)
    (tmp_path / "lib/modules/6.1/modules.builtin").write_text("kernel/drivers/virtio/virtio.ko\n")

    assert look(tmp_path).bridges is False


def test_the_disk_of_the_state_is_measured(tmp_path: Path) -> None:
    storage = look(tmp_path).storage

    assert storage is not None
    assert (storage.path, storage.total_bytes > storage.free_bytes > 0) == (str(tmp_path), True)


def test_a_state_that_is_not_there_is_no_disk(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path, tmp_path / "missing", NOWHERE)

    assert gather(place, Clock(trouble="refused")).storage is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/var/lib/drover/images", "tmpfs"), ("/var/lib", "ext4"), ("/with space/here", "xfs"), ("/with", "ext4")],
)
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind
