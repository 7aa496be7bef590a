"""Hardware as the spec says, asked of the guest: disks, drives, firmware, and what changes while it runs."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system import arm, installer
from tests.system.world import BOOT, Machine, Tenant, World, eventually, make_machine

ROOT = {"name": "root", "size": "64Mi"}
DATA = {"name": "data", "size": "32Mi"}
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
VGA, E1000E, RTL8139 = "0x1234:0x1111", "0x8086:0x10d3", "0x10ec:0x8139"
GREETING = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(12).decode())"


def ask(machine: Machine, command: str, **query: str) -> str:
    """Have a guest do something."""
    words = "&".join(f"{name}={value}" for name, value in query.items())
    return (machine.ask(f"/cgi-bin/{command}?{words}") or "").strip()


def shows(machine: Machine, path: str) -> str:
    """Read a file of the guest's /proc or /sys."""
    return ask(machine, "show", path=path)


def sizes(machine: Machine) -> dict[str, int]:
    """Disks of the guest and their sizes in MiB."""
    lines = (line.split() for line in ask(machine, "disks").splitlines())
    return {name: int(kib) >> 10 for name, kib in lines}


def settle(machine: Machine, what: str, look: Any) -> None:
    """Wait until a change has reached the guest, and the object says that nothing waits."""
    eventually(what, look, 30)
    eventually("Synced", lambda: machine.condition("Synced").get("status") == "True", 30)


def example(tenant: Tenant, name: str, machine: str, seconds: float = BOOT) -> Machine:
    """Apply an example, and wait until its machine serves."""
    tenant.example(name)
    return tenant.machine(machine).ready(seconds)


def test_disks_are_plugged_in_as_the_spec_says(tenant: Tenant) -> None:
    machine = example(tenant, "disk-options", "disks")

    assert sizes(machine) == {"vda": 64, "vdb": 4, "vdc": 16, "sda": 8}
    assert shows(machine, "/sys/block/vdb/ro") == "1"
    assert shows(machine, "/sys/block/vdb/serial") == "seen"
    assert "HOUSE-1" in machine.virsh("dumpxml")
    assert "1048576" in machine.virsh("blkdeviotune", "sda")


def test_disks_come_grow_and_go_while_the_guest_runs(tenant: Tenant) -> None:
    machine = tenant.start(disks=[ROOT])

    machine.patch(disks=[ROOT, DATA])
    settle(machine, "a second disk", lambda: sizes(machine) == {"vda": 64, "vdb": 32})
    assert ask(machine, "write", disk="vdb", text="kept") == "written"
    machine.patch(disks=[ROOT, DATA | {"size": "48Mi", "limits": {"iops": 40}}])
    settle(machine, "a larger disk", lambda: sizes(machine) == {"vda": 64, "vdb": 48})
    machine.patch(disks=[ROOT])
    settle(machine, "no second disk", lambda: sizes(machine) == {"vda": 64})
    machine.patch(disks=[ROOT, DATA | {"size": "48Mi"}])
    settle(machine, "the second disk again", lambda: sizes(machine) == {"vda": 64, "vdb": 48})

    assert ask(machine, "read", disk="vdb") == "kept"
    assert machine.boots() == 1


def test_a_medium_is_changed_while_the_guest_runs(tenant: Tenant) -> None:
    drive: dict[str, Any] = {"name": "cd", "type": "CDROM", "bus": "SCSI"}
    machine = example(tenant, "cdrom", "reader")
    assert ask(machine, "disc", disk="sr0") == ""

    machine.patch(disks=[ROOT, drive | {"image": "disc"}])
    settle(machine, "a disc", lambda: ask(machine, "disc", disk="sr0") == "hello from a disc")
    machine.patch(disks=[ROOT, drive])
    settle(
        machine, "no disc", lambda: "source file" not in machine.virsh("domblklist", "--details") and ejected(machine)
    )


def ejected(machine: Machine) -> bool:
    """Whether nothing is in the drive."""
    return any(
        line.split()[1:] == ["cdrom", "sda", "-"] for line in machine.virsh("domblklist", "--details").splitlines()
    )


@pytest.mark.long
def test_a_disc_with_a_boot_loader_is_started_from_before_the_disk(tenant: Tenant, world: World) -> None:
    installer.provide(world.state / "images")
    machine = example(tenant, "boot-order", "installed", 2 * BOOT)

    assert installer.MARK in shows(machine, "/proc/cmdline")
    assert machine.boots() == 1


@pytest.mark.long
def test_an_ephemeral_disk_is_new_at_every_start(tenant: Tenant) -> None:
    machine = example(tenant, "disk-options", "disks")
    assert ask(machine, "write", disk="vdc", text="gone") == "written"
    assert ask(machine, "read", disk="vdc") == "gone"

    machine.patch(powerState="Stopped")
    machine.reach("Stopped")
    machine.patch(powerState="Running")
    eventually("a second boot", lambda: machine.ask("/boots") == "2\n", BOOT)

    assert ask(machine, "read", disk="vdc") == ""


def test_cores_and_memory_change_while_the_guest_runs(tenant: Tenant) -> None:
    machine = example(tenant, "live-resize", "grows")
    before = total(machine)

    machine.patch(cpu={"cores": 2}, memory={"size": "192Mi"})
    settle(machine, "two cores", lambda: ask(machine, "online") == "2")
    settle(machine, "more memory", lambda: total(machine) > before + 40)

    assert machine.boots() == 1
    assert VGA not in ask(machine, "pci")


def total(machine: Machine) -> int:
    """Memory that the guest has, in MiB."""
    lines = (line.split() for line in shows(machine, "/proc/meminfo").splitlines())
    return next((int(words[1]) >> 10 for words in lines if words[0] == "MemTotal:"), 0)


@pytest.mark.long
def test_a_restart_with_more_memory_books_it_first(tenant: Tenant) -> None:
    machine = tenant.start()
    machine.patch(memory={"size": "160Mi"})
    eventually("RestartRequired", lambda: machine.condition("Synced").get("reason") == "RestartRequired", 30)
    before = total(machine)

    machine.annotate(restartedAt="now")
    eventually("more memory", lambda: total(machine) > before + 40, BOOT)

    (pod,) = tenant.world.list("pod", "-n", tenant.namespace)
    booked = int(pod["spec"]["containers"][0]["resources"]["requests"]["memory"])
    assert booked > 160 << 20
    assert machine.boots() == 2


def test_uefi_and_a_tpm_are_there_and_go_with_the_machine(tenant: Tenant, world: World) -> None:
    machine = example(tenant, "firmware", "secure", 2 * BOOT)
    node, name = machine.node, f"{tenant.namespace}.secure"

    assert shows(machine, SECURE_BOOT)[-1] == "\x01"
    assert shows(machine, "/sys/class/tpm/tpm0/tpm_version_major") == "2"
    variables = f"/var/lib/libvirt/qemu/nvram/{name}_VARS.fd"
    assert world.node(node, "ls", variables).strip() == variables
    uid = machine.uid
    machine.delete()
    assert world.node(node, "ls", variables, check=False).strip() == ""
    assert uid not in world.node(node, "ls", "/var/lib/libvirt/swtpm", check=False)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"machineType": "pc-q35-99.0"}, "pc-q35-99.0", id="board", marks=pytest.mark.long),
        pytest.param({"cpu": {"model": "NoSuchProcessor"}}, "NoSuchProcessor", id="processor"),
    ],
)
def test_what_a_node_lacks_is_named_and_heals(tenant: Tenant, spec: dict[str, Any], words: str) -> None:
    tenant.apply(make_machine("web", **spec))
    machine = tenant.machine("web")

    eventually("Unsupported", lambda: machine.condition("Running").get("reason") == "Unsupported", 30)
    assert words in machine.condition("Running")["message"]
    machine.patch(machineType=None, cpu={"model": None})
    machine.ready()


def test_a_named_processor_is_had_and_one_that_the_node_lacks_is_said_to_be_impossible(tenant: Tenant) -> None:
    machine = example(tenant, "processor", "named")
    assert "Nehalem" in shows(machine, "/proc/cpuinfo")
    assert shows(machine, "/sys/class/dmi/id/product_version") == machine.status["resolved"]["machineType"]
    assert shows(machine, "/sys/class/misc/hw_random/rng_current") == "virtio_rng.0"

    machine.patch(cpu={"model": "NoSuchProcessor"})
    eventually("Impossible", lambda: machine.condition("Synced").get("reason") == "Impossible", 30)

    (change,) = machine.status["pendingChanges"]
    assert (change["path"], change["effect"]) == ("spec.cpu.model", "Impossible")
    assert change["reason"] == "this node has no processor NoSuchProcessor"
    assert machine.boots() == 1


def test_a_guest_that_does_not_feed_its_watchdog_is_powered_off_and_started_again(tenant: Tenant) -> None:
    machine = example(tenant, "watchdog", "watched")
    assert ask(machine, "starve") == "starving"

    eventually("a second boot", lambda: machine.ask("/boots") == "2\n", BOOT)

    assert machine.status["lastStop"]["reason"] == "Watchdog"


@pytest.mark.long
def test_a_screen_is_on_a_socket_of_its_node(tenant: Tenant, world: World) -> None:
    machine = example(tenant, "graphics", "screen")
    assert VGA in ask(machine, "pci")

    (listen,) = ET.fromstring(machine.virsh("dumpxml")).findall("devices/graphics/listen")
    assert listen.get("type") == "socket"
    assert world.node(machine.node, "python3", "-c", GREETING, listen.get("socket", "")).strip() == "RFB 003.008"


def test_a_guest_of_another_architecture_is_emulated_where_that_is_allowed(tenant: Tenant, world: World) -> None:
    arm.provide(world.state / "images" / "tiny-arm64")
    machine = example(tenant, "architecture", "foreign")

    eventually("arm64", lambda: shows(machine, "/proc/sys/kernel/osrelease").endswith("-cloud-arm64"))
    assert machine.status["resolved"]["architecture"] == "arm64"


def test_huge_pages_are_booked_with_the_scheduler(tenant: Tenant) -> None:
    # Nodes here have none.
    tenant.example("hugepages")
    machine = tenant.machine("large")
    eventually("no place", lambda: "hugepages-2Mi" in machine.condition("Scheduled").get("message", ""), 30)

    # It is not waited for, and hears no request to shut down before it has booted.
    machine.patch(memory={"hugepages": None}, terminationGracePeriodSeconds=0)
    eventually("a place", lambda: machine.condition("Scheduled").get("status") == "True", 30)


def free_pages() -> int:
    """Huge pages of this machine that nobody has."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return next(int(words[1]) for words in lines if words[0] == "HugePages_Free:")


@pytest.fixture
def paged(world: World) -> Iterator[str]:
    """A node with huge pages, which this machine spares for a while; its Node tells of them as kubelets do."""
    place, count = "/run/drover-pages", Path("/proc/sys/vm/nr_hugepages")
    before = count.read_text()
    count.write_text("96")
    world.node("n1", "mkdir", "-p", place)
    world.node("n1", "mount", "-t", "hugetlbfs", "none", place)
    tell_of_pages(world, "192Mi")
    yield "n1"
    tell_of_pages(world, None)
    world.node("n1", "umount", "-l", place)
    count.write_text(before)


def tell_of_pages(world: World, size: str | None) -> None:
    """Have libvirt look at what there is, and the Node say it."""
    world.sandbox("restart", "libvirtd-n1")
    status = {part: {"hugepages-2Mi": size} for part in ("capacity", "allocatable")}
    world.kubectl("patch", "node", "n1", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


@pytest.mark.long
def test_a_guest_has_its_memory_in_huge_pages(tenant: Tenant, paged: str) -> None:
    free = free_pages()
    assert free >= 64, "this machine cannot spare 128 MiB in one piece each"
    machine = example(tenant, "hugepages", "large")

    assert (machine.node, free - free_pages(), machine.boots()) == (paged, 64, 1)
    machine.delete()
    assert free_pages() == free


@pytest.mark.long
def test_interfaces_are_of_every_model_and_their_cables_are_plugged_in_live(tenant: Tenant) -> None:
    machine = example(tenant, "interfaces", "cards")
    assert {E1000E, RTL8139} <= set(ask(machine, "pci").split())
    assert shows(machine, "/sys/class/net/eth1/carrier") == "0"

    lan, *others, out = machine.object["spec"]["interfaces"]
    machine.patch(interfaces=[lan, *others, out | {"link": "Up"}])
    settle(machine, "a carrier", lambda: shows(machine, "/sys/class/net/eth1/carrier") == "1")

    assert machine.boots() == 1


@pytest.mark.long
def test_interfaces_come_and_go_while_the_guest_runs(tenant: Tenant) -> None:
    machine = tenant.start()
    first: dict[str, Any] = {"name": "default"}

    machine.patch(interfaces=[first, {"name": "more", "model": "VirtIO"}])
    settle(machine, "a second interface", lambda: shows(machine, "/sys/class/net/eth1/address") != "")
    machine.patch(interfaces=[first])
    settle(machine, "no second interface", lambda: shows(machine, "/sys/class/net/eth1/address") == "")
