"""What a guest is told at its first boot, asked of the guest; and who else can read it."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.system import debian
from tests.system.world import (
    BOOT,
    Machine,
    Object,
    Tenant,
    World,
    eventually,
    example,
    make_kernel_image,
)

MARK = "q7-not-for-anybody-else"
SCRIPT = f"#!/bin/sh\necho {MARK} >/www/told\n"
SECRETIVE: dict[str, Any] = {"hostname": "told", "userDataSecretRef": {"name": "boot", "key": "user-data"}}
PLACEHOLDER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA you@example"
PROBE = "  readinessProbe:\n"
STATIC = f"  interfaces:\n    - name: lan\n      addressMode: Static\n{PROBE}"
"""A static address, before the machine's probe."""
SLOW = 900.0
"""Seconds a whole distribution may take to boot on a machine that is busy with others."""


def make_secret(text: str) -> Object:
    """Write the Secret that the machines here name."""
    data = {"user-data": base64.b64encode(text.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "boot"}, "data": data}


def test_a_secret_is_read_by_the_guest_and_nobody_else(tenant: Tenant) -> None:
    _, machine = example("cloud-init-secrets")
    tenant.apply(make_kernel_image(), machine)
    told = tenant.machine("told")
    eventually("SecretNotFound", lambda: told.condition("VolumesReady").get("reason") == "SecretNotFound", BOOT)
    assert "there is no Secret boot" in told.condition("VolumesReady")["message"]
    tenant.example("cloud-init-secrets", {f"#!/bin/sh\n    echo {MARK} >/www/told": "#cloud-config\n    - a list"})
    eventually("InvalidCloudInit", lambda: told.condition("VolumesReady").get("reason") == "InvalidCloudInit", 30)
    assert "Secret boot, key" in told.condition("VolumesReady")["message"]

    tenant.example("cloud-init-secrets")
    assert [(told.ready().ask(path) or "").strip() for path in ("/told", "/hostname")] == [MARK, "told"]
    assert "r12" in (told.ask("/seed/meta-data") or "")
    assert 'match: {name: "e*"}' in (told.ask("/seed/network-config") or "")
    is_told_to_nobody(told)


def is_told_to_nobody(machine: Machine) -> None:
    """Look for what the guest was told wherever else it could be."""
    tenant, uid, node = machine.tenant, machine.uid, machine.node
    encoded = base64.b64encode(SCRIPT.encode()).decode()

    said = [tenant.kubectl("get", "vm,dom,events", "-o", "yaml"), machine.virsh("dumpxml")]
    said += [path.read_text(errors="replace") for path in (tenant.world.state / "logs").glob("*.log")]
    said += [tenant.world.node(node, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")]
    assert [text[:200] for text in said if MARK in text or encoded in text] == []
    seed = tenant.world.node(node, "sh", "-c", f"stat -c '%a %U' /var/lib/drover/seeds/{uid}*")
    assert seed.split() == ["600", "root"]
    agent = "--as=system:serviceaccount:drover-system:drover-agent"
    assert tenant.world.try_kubectl("auth", "can-i", "get", "secrets", "-A", agent).stdout.strip() == "no"
    machine.delete()
    assert uid not in tenant.world.node(node, "ls", "/var/lib/drover/seeds")


def test_a_guest_sets_the_static_address_that_its_seed_tells(tenant: Tenant) -> None:
    tenant.example("static-address")

    machine = tenant.machine("fixed").ready()

    assert (machine.ask("/hostname") or "").strip() == "fixed"
    assert f"{machine.ip}/" in (machine.ask("/seed/network-config") or "")
    assert machine.status["resolved"]["seed"]["networkData"] == "Generated"
    outside = tenant.world.node(machine.node, "ip", "-4", "route", "show", "default").split()[2]
    asked = f"http://{machine.ip}/cgi-bin/ping?host={outside}"
    assert tenant.world.node(machine.node, "curl", "-s", "-m", "10", asked).strip() == "answer"


@pytest.mark.long
def test_a_secret_that_is_rotated_is_a_pending_change_until_a_restart(tenant: Tenant) -> None:
    tenant.apply(make_secret(SCRIPT))
    machine = tenant.start("web", cloudInit=SECRETIVE)
    assert [(machine.ask(path) or "").strip() for path in ("/told", "/hostname")] == [MARK, "told"]
    assert machine.uid in (machine.ask("/seed/meta-data") or "")
    tenant.apply(make_secret("#!/bin/sh\necho rotated >/www/told\n"))
    eventually("the pending change", lambda: machine.condition("Synced").get("reason") == "RestartRequired", 60)
    assert machine.status["pendingChanges"][0]["path"] == "spec.cloudInit.userDataSecretRef"
    machine.annotate(restartedAt="now")

    eventually("the rotated Secret", lambda: (machine.ask("/told") or "").strip() == "rotated", BOOT)
    eventually("no pending change", lambda: machine.condition("Synced").get("status") == "True", 60)


@pytest.mark.long
def test_a_guest_learns_what_its_machine_says(tenant: Tenant) -> None:
    tenant.example("cloud-init-inline")
    machine = tenant.machine("inline").ready()

    assert [machine.ask(path) for path in ("/told", "/hostname")] == ["told in the machine\n", "written-here\n"]
    assert "r12" in (machine.ask("/seed/meta-data") or "")
    assert 'match: {name: "e*"}' in (machine.ask("/seed/network-config") or "")


# --- a whole distribution ---------------------------------------------------------------------------------------------


@pytest.fixture
def with_debian(world: World) -> World:
    """Have the image server offer a cloud image of Debian."""
    debian.provide(world.state / "images" / "debian")
    return world


def patiently(machine: Machine) -> Machine:
    """Wait for a machine that takes its time; one that was as its last spec said does not count."""
    eventually(f"{machine.name} to be ready", lambda: is_ready(machine.object), SLOW)
    return machine


def is_ready(machine: Object) -> bool:
    """Tell whether a machine is as its spec says, as kubectl wait does."""
    ready = [each for each in machine.get("status", {}).get("conditions", []) if each["type"] == "Ready"]
    now = machine["metadata"]["generation"]
    return [(each["status"], each["observedGeneration"]) for each in ready] == [("True", now)]


def ssh(machine: Machine, key: Path, *command: str) -> str | None:
    """Log in as the image's default user and run a command; None when that fails."""
    options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=10")
    words = ["ssh", "-q", "-i", str(key), *options, "-o", "BatchMode=yes", f"debian@{machine.ip}", *command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    return done.stdout if done.returncode == 0 else None


def make_key(folder: Path) -> tuple[Path, str]:
    """Make a key pair; give the private one's path and the public one."""
    path = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path, path.with_suffix(".pub").read_text().strip()


@pytest.mark.long
@pytest.mark.timeout(2700)
def test_a_cloud_image_gets_user_key_command_name_static_address_and_all_of_its_disk(
    tenant: Tenant, with_debian: World, tmp_path: Path
) -> None:
    key, public = make_key(tmp_path)
    tenant.example("cloud-init", {PLACEHOLDER: public, PROBE: STATIC})
    machine = patiently(tenant.machine("server"))

    eventually("the command to have run", lambda: ssh(machine, key, "cat", "/var/lib/first-boot"), SLOW)

    assert (ssh(machine, key, "hostname") or "").strip() == "first"
    assert "default via" in (ssh(machine, key, "ip", "-4", "route") or "")
    assert "deploy" in (ssh(machine, key, "id", "deploy") or "")
    assert int(ssh(machine, key, "df", "--output=size", "-B1M", "/", "|", "tail", "-n1") or 0) > 3500
    instance = ssh(machine, key, "cat", "/var/lib/cloud/data/instance-id")
    assert (instance or "").strip() == machine.uid


@pytest.mark.long
@pytest.mark.timeout(2700)
def test_a_plugins_workload_is_a_service_on_a_cloud_image_at_every_boot(tenant: Tenant, with_debian: World) -> None:
    tenant.example("plugin-debian")
    machine = patiently(tenant.machine("shelf"))
    assert (machine.ask("/") or "").strip() == "files of shelf"

    tenant.kubectl("patch", "vm", "shelf", "--type=merge", "-p", json.dumps({"spec": {"powerState": "Stopped"}}))
    machine.reach("Stopped", SLOW)
    tenant.kubectl("patch", "vm", "shelf", "--type=merge", "-p", json.dumps({"spec": {"powerState": "Running"}}))

    patiently(machine)
    assert (machine.ask("/") or "").strip() == "files of shelf"
