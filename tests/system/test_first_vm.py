"""The first five minutes of a user: apply, wait, look, ask, delete."""

import json

import pytest
from tests.system.world import BOOT, Machine, Tenant, World, eventually, make_kernel_image, make_machine


def test_a_machine_that_is_applied_runs_and_answers(machine: Machine) -> None:
    assert "hello from web" in (machine.ask("/") or "")
    columns = machine.tenant.kubectl("get", "vm", "web").splitlines()
    assert columns[0].split() == ["NAME", "STATUS", "READY", "NODE", "IP", "CPU", "MEMORY", "AGE"]
    assert columns[1].split()[1:7] == ["Running", "True", machine.node, machine.ip, "1", "96Mi"]


def test_a_second_look_finds_no_difference_to_what_was_applied(machine: Machine) -> None:
    words = ("diff", "-n", machine.tenant.namespace, "-f", "-")
    done = machine.tenant.world.try_kubectl(*words, given=json.dumps(make_machine("web")))

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.long
def test_a_second_look_finds_no_difference_to_what_was_applied_on_the_servers_side(tenant: Tenant) -> None:
    wanted, words = json.dumps(make_machine("same")), ("--server-side", "-n", tenant.namespace, "-f", "-")
    tenant.world.kubectl("apply", *words, given=wanted)
    tenant.machine("same").ready()

    done = tenant.world.try_kubectl("diff", *words, given=wanted)

    assert (done.returncode, done.stdout) == (0, "")


def test_delete_returns_when_the_guest_is_gone(tenant: Tenant) -> None:
    machine = tenant.start("gone")
    node, uid, ip = machine.node, machine.uid, machine.ip

    machine.delete()

    assert uid not in tenant.world.node(node, "virsh", "list", "--all", "--uuid")
    assert uid not in tenant.world.node(node, "ls", "-R", "/var/lib/drover")
    assert not [a for a in tenant.world.list("netaddr") if a["spec"].get("address") == ip]
    assert tenant.kubectl("get", "pod,dom,vol", "-o", "name") == ""


def test_every_field_explains_itself(world: World) -> None:
    text = world.kubectl("explain", "vm.spec.disks")

    assert "disks" in text.lower()
    for field in ("image", "size", "pool", "volume", "reclaimPolicy"):
        assert f"{field}\t" in text


def test_what_is_missing_is_named_and_heals_when_it_appears(tenant: Tenant) -> None:
    tenant.apply(make_machine("early", kernel={"image": "late"}))
    machine = tenant.machine("early")
    eventually("ImageNotFound", lambda: machine.condition("Accepted").get("reason") == "ImageNotFound", 30)
    assert "late" in machine.condition("Accepted")["message"]

    tenant.apply(make_kernel_image("late"))

    machine.ready(BOOT)


def test_machines_of_one_name_in_two_namespaces_do_not_collide(tenant: Tenant, world: World) -> None:
    other = Tenant(world, f"{tenant.namespace}-twin")
    world.kubectl("create", "namespace", other.namespace)

    for each in (tenant, other):
        each.apply(make_machine("same"))
    mine, yours = (each.machine("same").ready() for each in (tenant, other))

    assert mine.ip != yours.ip
    assert {mine.boots(), yours.boots()} == {1}
    yours.delete()
    assert mine.boots() == 1
    world.kubectl("delete", "namespace", other.namespace, "--wait=false")
