"""Hardware as the spec says, asked of the guest: disks, drives, firmware, and what changes while it runs."""

from pathlib import Path
from typing import Any

import pytest
from tests.system.world import BOOT, Machine, Tenant, World, eventually, make_kernel_image, make_machine

EXAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "examples"
ROOT = {"name": "root", "size": "64Mi"}
DATA = {"name": "data", "size": "32Mi"}


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


def example(tenant: Tenant, name: str, machine: str) -> Machine:
    """Apply an example as a user does who has the image of the quickstart, and wait until its machine serves."""
    tenant.apply(make_kernel_image())
    tenant.kubectl("apply", "-f", str(EXAMPLES / name))
    return tenant.machine(machine).ready()


def test_disks_are_plugged_in_as_the_spec_says(tenant: Tenant) -> None:
    machine = example(tenant, "disk-options.yaml", "disks")

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
    machine = example(tenant, "cdrom.yaml", "reader")
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


def test_an_ephemeral_disk_is_new_at_every_start(tenant: Tenant) -> None:
    machine = example(tenant, "disk-options.yaml", "disks")
    assert ask(machine, "write", disk="vdc", text="gone") == "written"
    assert ask(machine, "read", disk="vdc") == "gone"

    machine.patch(powerState="Stopped")
    machine.reach("Stopped")
    machine.patch(powerState="Running")
    eventually("a second boot", lambda: machine.ask("/boots") == "2\n", BOOT)

    assert ask(machine, "read", disk="vdc") == ""


def test_cores_and_memory_change_while_the_guest_runs(tenant: Tenant) -> None:
    machine = example(tenant, "live-resize.yaml", "grows")
    before = total(machine)

    machine.patch(cpu={"cores": 2}, memory={"size": "192Mi"})
    settle(machine, "two cores", lambda: ask(machine, "online") == "2")
    settle(machine, "more memory", lambda: total(machine) > before + 40)

    assert machine.boots() == 1


def total(machine: Machine) -> int:
    """Memory that the guest has, in MiB."""
    lines = (line.split() for line in shows(machine, "/proc/meminfo").splitlines())
    return next((int(words[1]) >> 10 for words in lines if words[0] == "MemTotal:"), 0)


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
    machine = example(tenant, "firmware.yaml", "secure")
    node, name = machine.node, f"{tenant.namespace}.secure"

    assert "fw_platform_size" in shows(machine, "/sys/firmware/efi")
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
        pytest.param({"machineType": "pc-q35-99.0"}, "pc-q35-99.0", id="board"),
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


def test_a_screen_is_on_a_socket_and_may_be_left_out(tenant: Tenant) -> None:
    machine = tenant.start()
    assert "/vnc.sock" in machine.virsh("domdisplay", "--all") + machine.virsh("dumpxml")
    assert "port=" not in next(line for line in machine.virsh("dumpxml").splitlines() if "<graphics" in line)


def test_interfaces_come_and_go_while_the_guest_runs(tenant: Tenant) -> None:
    machine = tenant.start()
    first: dict[str, Any] = {"name": "default"}

    machine.patch(interfaces=[first, {"name": "more", "model": "VirtIO"}])
    settle(machine, "a second interface", lambda: shows(machine, "/sys/class/net/eth1/address") != "")
    machine.patch(interfaces=[first])
    settle(machine, "no second interface", lambda: shows(machine, "/sys/class/net/eth1/address") == "")
