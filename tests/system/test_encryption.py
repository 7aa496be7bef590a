"""Encrypted volumes: what the guest wrote, what lies on the node, and who learns the passphrase."""

import base64
import json
from collections.abc import Iterator

import pytest
from tests.system.mischief import raw_disk, served, whole
from tests.system.test_disks import drop_pool
from tests.system.test_images import make_image
from tests.system.test_volumes import reason, said, say
from tests.system.world import BOOT, Machine, Object, Tenant, World, eventually, example, make_kernel_image

TEXT = "nobody-else-reads-this"
PASSPHRASE = "correct horse battery staple"
KEY = {"keySecretRef": {"name": "vault-key", "key": "passphrase"}}


def make_key(passphrase: str) -> Object:
    """Write the Secret of the example with a passphrase in it."""
    data = {"passphrase": base64.b64encode(passphrase.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vault-key"}, "data": data}


def path(machine: Machine, disk: str = "vda") -> str:
    """Where the file of a disk is on its node."""
    lines = machine.virsh("domblklist").splitlines()
    return next(line.split()[1] for line in lines if line.split()[:1] == [disk])


def format_of(machine: Machine, file: str) -> Object:
    """Ask QEMU what the file is."""
    told = machine.tenant.world.node(machine.node, "qemu-img", "info", "-U", "--output=json", "--", file)
    return dict(json.loads(told))


def holds(machine: Machine, file: str, text: str) -> bool:
    """Look for a text in the bytes of a file of the node."""
    return machine.tenant.world.node(machine.node, "grep", "-c", text, "--", file, check=False).strip() not in {"", "0"}


def switch(machine: Machine, state: str, phase: str) -> Machine:
    """Have a machine be something else."""
    machine.patch(powerState=state)
    return machine.reach(phase)


def test_what_a_guest_writes_is_read_by_nobody_without_its_passphrase(tenant: Tenant) -> None:
    _, vault = example("volume-encrypted")
    tenant.apply(make_kernel_image(), vault)
    machine = tenant.machine("vault")
    eventually("SecretNotFound", lambda: reason(machine) == "SecretNotFound", 30)
    assert "disk root: there is no Secret vault-key" in words(machine)
    tenant.example("volume-encrypted")
    say(machine.ready(), TEXT)
    file = path(machine)
    assert_is_secret(machine, PASSPHRASE)
    switch(machine, "Stopped", "Stopped")
    assert (format_of(machine, file)["encrypted"], holds(machine, file, TEXT)) == (True, False)


@pytest.mark.long
def test_another_passphrase_starts_nothing_and_spoils_nothing(tenant: Tenant) -> None:
    tenant.example("volume-encrypted")
    machine = tenant.machine("vault").ready()
    say(machine, TEXT)
    tenant.apply(make_key("another one"))
    switch(machine, "Stopped", "Stopped")

    machine.patch(powerState="Running")
    eventually("WrongKey", lambda: reason(machine) == "WrongKey", BOOT)
    assert "Secret vault-key, key passphrase does not open volume vault.root" in words(machine)
    tenant.apply(make_key(f"{PASSPHRASE}\n"))

    assert (said(machine.ready()), machine.boots()) == (TEXT, 2)


def words(machine: Machine) -> str:
    return str(machine.condition("VolumesReady").get("message"))


def assert_is_secret(machine: Machine, passphrase: str) -> None:
    """Look for a passphrase wherever it must not be."""
    tenant, world = machine.tenant, machine.tenant.world
    encoded = base64.b64encode(passphrase.encode()).decode()
    told = [tenant.kubectl("get", "vm,vol,dom,events", "-o", "yaml"), machine.virsh("dumpxml")]
    told += [each.read_text(errors="replace") for each in (world.state / "logs").glob("*.log")]
    told += [world.node(machine.node, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")]
    assert [text[:200] for text in told if passphrase in text or encoded in text] == []
    places = ("/var/lib/libvirt", "/var/log/libvirt", "/run/libvirt", "/etc/libvirt", "/var/lib/drover")
    assert world.node(machine.node, "grep", "-rsl", passphrase, *places, check=False) == ""
    assert world.node(machine.node, "virsh", "-q", "secret-list").split() == []


ROOT: Object = {"name": "root", "size": "64Mi"}
DATA: Object = {"name": "data", "image": "base", "size": "16Mi", "encryption": KEY}
COPY: Object = {"name": "copy", "image": "base", "pool": "shared", "encryption": KEY}
BASE = "this-was-in-the-image"


def told(machine: Machine, disk: str) -> str:
    """Ask the guest for the line on a disk."""
    return (machine.ask(f"/cgi-bin/read?disk={disk}") or "").strip()


@pytest.fixture
def host(tenant: Tenant, world: World) -> Iterator[Machine]:
    """A running machine that was given two encrypted disks from an image, one in a pool that both nodes see."""
    tenant.example("pool-shared", {"/srv/drover/shared": f"{world.state}/shared"})
    content = raw_disk(1 << 20) + f"{BASE}\n".encode().ljust(1 << 20, b"\0")
    machine = tenant.start("host")
    with served(world, content, whole) as server:
        tenant.apply(make_image("base", server.url), make_key(PASSPHRASE))
        machine.patch(disks=[ROOT, DATA, COPY])
        eventually("the image's text", lambda: [told(machine, disk) for disk in ("vdb", "vdc")] == [BASE, BASE], BOOT)
    yield machine
    tenant.kubectl("delete", "vm", "host", "--ignore-not-found", "--timeout=120s")
    drop_pool(world, "shared")


@pytest.mark.long
def test_encrypted_disks_are_plugged_in_grown_and_woken_with_their_guest(host: Machine) -> None:
    assert host.ask(f"/cgi-bin/write?disk=vdb&text={TEXT}")
    host.patch(disks=[ROOT, DATA | {"size": "32Mi"}, COPY])
    eventually("it to grow", lambda: "vdb 32768" in (host.ask("/cgi-bin/disks") or ""), 30)
    host.tenant.world.sandbox("restart", f"libvirtd-{host.node}")
    switch(host, "Hibernated", "Hibernated")
    host.tenant.apply(make_key("another one"))

    host.patch(powerState="Running")
    eventually("WrongKey", lambda: reason(host) == "WrongKey", BOOT)
    host.tenant.apply(make_key(PASSPHRASE))

    assert (told(host.ready(), "vdb"), host.boots()) == (TEXT, 1)
    assert_is_secret(host, PASSPHRASE)


@pytest.mark.long
def test_an_image_stays_plain_below_a_volume_and_is_encrypted_in_one_that_holds_it(host: Machine) -> None:
    assert host.ask(f"/cgi-bin/write?disk=vdb&text={TEXT}")
    files = [path(host, disk) for disk in ("vdb", "vdc")]
    switch(host, "Stopped", "Stopped")

    found = [format_of(host, file) for file in files]
    assert [("backing-filename" in each, each["encrypted"]) for each in found] == [(True, True), (False, True)]
    assert [holds(host, file, text) for file in files for text in (TEXT, BASE)] == [False] * 4
    assert holds(host, found[0]["backing-filename"], BASE)


@pytest.mark.long
def test_a_wiped_volume_is_opened_by_nobody(host: Machine) -> None:
    world, file = host.tenant.world, path(host, "vdb")
    host.tenant.kubectl("patch", "vol", "host.data", "--type=merge", "-p", '{"spec": {"wipe": "Enabled"}}')
    node, kept = host.node, "/var/lib/drover/kept"
    world.node(node, "ln", "-f", "--", file, kept)

    host.delete()

    eventually("the file to go", lambda: not world.node(node, "ls", file, check=False), 60)
    assert world.node(node, "grep", "-c", "LUKS", "--", kept, check=False).strip() in {"", "0"}
