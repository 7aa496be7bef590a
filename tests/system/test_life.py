"""A machine's life: stop, start, pause, hibernate, restart; disks, addresses and boots tell the truth about each."""

import pytest
from tests.system.world import BOOT, Machine, Tenant, eventually, hold


def test_disk_and_addresses_survive_stop_and_start(machine: Machine) -> None:
    before, boots = machine.status["addresses"], machine.boots()

    machine.patch(powerState="Stopped")
    machine.reach("Stopped").ready()
    assert machine.status["lastStop"]["reason"] == "Requested"
    assert machine.tenant.kubectl("get", "pod", "-o", "name") == ""
    machine.patch(powerState="Running")

    machine.reach("Running").ready()
    assert machine.boots() == boots + 1
    assert machine.status["addresses"] == before


def test_a_paused_machine_stands_still_and_goes_on_where_it_was(machine: Machine) -> None:
    boots = machine.boots()

    machine.patch(powerState="Paused")
    machine.reach("Paused").ready()
    assert machine.ask("/boots") is None
    assert "paused" in machine.virsh("domstate")
    machine.patch(powerState="Running")

    machine.reach("Running").ready()
    assert machine.boots() == boots


def test_a_hibernated_machine_books_nothing_and_wakes_where_it_was(machine: Machine) -> None:
    address, boots, uptime = machine.ip, machine.boots(), machine.uptime()

    machine.patch(powerState="Hibernated")
    machine.reach("Hibernated").ready()
    assert machine.tenant.kubectl("get", "pod", "-o", "name") == ""
    assert "shut off" in machine.virsh("domstate")
    machine.patch(powerState="Running")

    machine.reach("Running").ready()
    assert (machine.boots(), machine.ip) == (boots, address)
    assert machine.uptime() >= uptime


def test_a_restart_request_is_acted_on_exactly_once(machine: Machine) -> None:
    after = str(machine.boots() + 1)

    machine.annotate(restartedAt="one")
    eventually("another boot", lambda: (machine.ask("/boots") or "").strip() == after, BOOT)
    machine.ready()
    machine.annotate(restartedAt="one", unrelated="x")

    hold("no further boot", lambda: (machine.ask("/boots") or after).strip() == after, 5)
    assert machine.status["lastStop"]["reason"] == "Requested"


@pytest.mark.parametrize(
    ("policy", "boots"), [("Always", 2), pytest.param("OnFailure", None, marks=pytest.mark.long), ("Never", None)]
)
def test_a_guest_that_shuts_itself_down_follows_its_restart_policy(
    tenant: Tenant, policy: str, boots: int | None
) -> None:
    machine = tenant.start(restartPolicy=policy)

    machine.ask("/cgi-bin/poweroff")

    eventually("lastStop", lambda: machine.status.get("lastStop", {}).get("reason") == "GuestShutdown", 60)
    assert machine.status["lastStop"]["actor"] == "guest"
    if boots is None:
        machine.reach("Stopped")
        hold("it stays stopped", lambda: machine.status["phase"] == "Stopped", 5)
        machine.annotate(startedAt="now")
    machine.reach("Running").ready()
    assert machine.boots() == 2


@pytest.mark.parametrize(
    ("accident", "reason"),
    [
        ("panic", "GuestPanic"),
        pytest.param("qemu", "HypervisorKilled", marks=pytest.mark.long),
        pytest.param("destroy", "Destroyed", marks=pytest.mark.long),
    ],
)
def test_a_failed_guest_is_started_again_and_the_reason_kept(tenant: Tenant, accident: str, reason: str) -> None:
    machine = tenant.start(restartPolicy="OnFailure")

    _befall(machine, accident)

    eventually(reason, lambda: machine.status.get("lastStop", {}).get("reason") == reason, 60)
    machine.reach("Running").ready()
    assert machine.boots() == 2
    assert machine.status["restarts"] == 1


def test_a_machine_that_never_restarts_stays_down_after_a_failure(tenant: Tenant) -> None:
    machine = tenant.start(restartPolicy="Never")

    machine.virsh("destroy")

    assert machine.reach("Stopped").status["lastStop"]["reason"] == "Destroyed"
    hold("it stays stopped", lambda: machine.status["phase"] == "Stopped", 5)
    assert "False" in str(machine.condition("Ready")["status"])


def test_a_guest_that_fails_again_and_again_is_held_back(tenant: Tenant) -> None:
    machine = tenant.start(disk=None)

    for _ in range(3):
        eventually("a running guest", lambda: "running" in machine.virsh("domstate", check=False), 60)
        machine.virsh("destroy", check=False)
        if machine.status["phase"] == "CrashLoopBackOff":
            break

    machine.reach("CrashLoopBackOff", 60)
    assert "s" in machine.condition("Running")["message"]


def test_what_is_done_behind_our_back_is_told_and_put_right(machine: Machine) -> None:
    boots = machine.boots()

    machine.virsh("suspend")
    eventually("it runs again", lambda: "running" in machine.virsh("domstate"), 10)
    machine.virsh("undefine")
    eventually("it is defined again", lambda: "yes" in machine.virsh("dominfo").split("Persistent:")[1][:20], 10)

    assert machine.ready().boots() == boots


def test_a_guest_that_does_not_listen_loses_its_power_after_the_grace_period(machine: Machine) -> None:
    machine.ask("/cgi-bin/deaf")

    machine.patch(powerState="Stopped", terminationGracePeriodSeconds=3)

    machine.reach("Stopped", 40)
    assert machine.status["lastStop"]["reason"] == "Requested"


def _befall(machine: Machine, accident: str) -> None:
    if accident == "panic":
        machine.ask("/cgi-bin/panic")
    elif accident == "destroy":
        machine.virsh("destroy")
    else:
        world, pid_file = machine.tenant.world, f"/run/libvirt/qemu/{machine.tenant.namespace}.{machine.name}.pid"
        pid = world.node(machine.node, "cat", pid_file).strip()
        world.node(machine.node, "kill", "-9", pid)
