"""Encrypted volumes: what the guest wrote, what lies on the node, and who learns the passphrase."""

import base64
import json

from tests.system.test_volumes import example, reason, said, say
from tests.system.world import BOOT, Machine, Object, Tenant, eventually

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
    tenant.apply(*example("volume-encrypted"))
    machine = tenant.machine("vault").ready()
    say(machine, TEXT)
    file = path(machine)
    switch(machine, "Stopped", "Stopped")

    assert format_of(machine, file)["encrypted"] is True
    assert not holds(machine, file, TEXT)
    assert_is_secret(machine, PASSPHRASE)

    tenant.apply(make_key("another one"))
    machine.patch(powerState="Running")
    eventually("WrongKey", lambda: reason(machine) == "WrongKey", BOOT)
    assert "Secret vault-key, key passphrase does not open volume vault.root" in words(machine)
    tenant.apply(make_key(f"{PASSPHRASE}\n"))
    assert said(machine.ready()) == TEXT


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
    assert world.node(machine.node, "virsh", "-q", "secret-list").split() == []
