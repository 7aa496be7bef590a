"""Addresses, names and probes, asked of the guests."""

from ipaddress import ip_network

import pytest
from tests.system.world import BOOT, Tenant, World, eventually, make_machine

MAC = "02:00:00:00:0a:01"


def free_address(world: World) -> str:
    """Choose an address of the default network that nobody has."""
    cidr = world.get("vnet", "default")["spec"]["subnets"][0]["cidr"]  # type: ignore[index]
    start = cidr.split("/")[0].split(".")
    return ".".join([start[0], start[1], start[2], "77"])


def test_a_machine_gets_the_addresses_it_asks_for(tenant: Tenant, world: World) -> None:
    ip = free_address(world)
    tenant.example("address", {"10.225.16.77": ip})

    machine = tenant.machine("known").ready()

    assert machine.status["addresses"] == [{"interface": "lan", "ip": ip, "mac": MAC}]
    assert all(word in (machine.ask("/cgi-bin/address") or "") for word in (f"{ip}/", MAC))
    tenant.apply(make_machine("rival", interfaces=[{"name": "lan", "address": ip}]))
    rival = tenant.machine("rival")
    eventually("AddressInUse", lambda: rival.condition("NetworkReady").get("reason") == "AddressInUse", 30)
    assert f"{tenant.namespace}/known" in rival.condition("NetworkReady")["message"]
    machine.delete()
    rival.ready()


def test_an_address_outside_the_subnet_is_named(tenant: Tenant) -> None:
    tenant.apply(make_machine("far", interfaces=[{"name": "lan", "address": "192.0.2.9"}]))

    machine = tenant.machine("far")
    eventually("a refusal", lambda: machine.condition("Accepted").get("reason") == "AddressOutsideSubnet", 30)
    assert "192.0.2.9" in machine.condition("Accepted")["message"]


@pytest.mark.long
def test_guests_find_each_other_by_name(tenant: Tenant) -> None:
    a = tenant.start("alpha", nodeSelector={"kubernetes.io/hostname": "n1"})
    tenant.start("beta", nodeSelector={"kubernetes.io/hostname": "n1"})

    found = a.ask(f"/cgi-bin/lookup?name=beta.{tenant.namespace}.default.internal") or ""

    assert tenant.machine("beta").ip in found


def test_a_probe_that_fails_is_said_and_a_probe_that_succeeds_again_too(tenant: Tenant) -> None:
    tenant.example("readiness")
    machine = tenant.machine("asked").ready()

    machine.patch(readinessProbe={"httpGet": {"port": 80, "path": "/nothing-here"}})

    eventually("unready", lambda: machine.condition("GuestReady").get("status") == "False", 40)
    assert machine.condition("Ready")["status"] == "False"
    assert machine.condition("Running")["status"] == "True"
    assert "404" in machine.condition("GuestReady")["message"]
    machine.patch(readinessProbe={"httpGet": {"port": 80, "path": "/hostname"}})
    assert machine.ready(30).ask("/hostname") == "asked\n"


def test_a_machine_that_fits_nowhere_has_the_schedulers_own_words(tenant: Tenant) -> None:
    tenant.apply(make_machine("huge", memory={"size": "900Gi"}))

    machine = tenant.machine("huge")
    eventually("Scheduled=False", lambda: machine.condition("Scheduled").get("reason") == "Unschedulable", 30)
    assert "Insufficient memory" in machine.condition("Scheduled")["message"]


@pytest.mark.long
def test_two_machines_that_are_off_exchange_their_addresses(tenant: Tenant, world: World) -> None:
    free = [address_in(world, number) for number in (3000, 3001)]
    for name, ip in zip("ab", free, strict=True):
        tenant.apply(make_machine(name, disk=None, interfaces=[{"name": "lan", "address": ip}]))
    machines = [tenant.machine(name).ready() for name in "ab"]
    for each in machines:
        each.patch(powerState="Stopped")
        each.reach("Stopped")

    for each, ip in zip(machines, reversed(free), strict=True):
        each.patch(powerState="Running", interfaces=[{"name": "lan", "address": ip}])

    eventually("the other's address", lambda: [each.ready().ip for each in machines] == free[::-1], BOOT)


def address_in(world: World, number: int) -> str:
    """An address of the default network that is given out late."""
    subnet = (world.get("vnet", "default") or {})["spec"]["subnets"][0]
    return str(ip_network(subnet["cidr"])[number])
