"""Disks keep data as promised: detached, retained, deleted, full."""

import pytest
from tests.system.world import BOOT, Machine, Tenant, World, eventually, make_machine, make_object

DISKS = (("root", "64Mi"), ("data", "32Mi"), ("more", "16Mi"))


def test_a_detached_disk_keeps_its_data_and_comes_back(machine: Machine) -> None:
    disks = [{"name": "root", "size": "64Mi"}]
    boots = machine.boots()

    machine.patch(disks=[])
    eventually("the disk to be let go", lambda: machine.settled, 30)
    assert machine.status["detachedVolumes"] == ["web.root"]
    machine.patch(disks=disks)
    eventually("the disk to be back", lambda: machine.settled, 30)
    started = machine.status["startTimeline"]["started"]
    machine.annotate(restartedAt=started)
    eventually("a new start", lambda: machine.status["startTimeline"].get("started") != started, BOOT)

    assert machine.ready().boots() == boots + 1
    assert not machine.status.get("detachedVolumes")


def test_a_retained_disk_outlives_its_machine_and_serves_the_next(tenant: Tenant) -> None:
    tenant.example("volume-retained")
    machine = tenant.machine("first").ready()
    assert machine.boots() == 1
    machine.delete()
    assert tenant.kubectl("get", "vol", "first.root", "-o", "jsonpath={.status.phase}") == "Bound"

    again = tenant.start("other", disks=[{"name": "root", "volume": "first.root"}])

    assert again.boots() == 2


def test_a_volume_in_use_is_not_given_to_a_second_machine(machine: Machine) -> None:
    tenant = machine.tenant
    tenant.apply(make_machine("second", disks=[{"name": "root", "volume": "web.root"}]))

    second = tenant.machine("second")
    eventually("VolumeInUse", lambda: second.condition("VolumesReady").get("reason") == "VolumeInUse", 30)
    assert "web" in second.condition("Ready")["message"]
    second.delete()


@pytest.mark.long
def test_a_machine_wakes_with_the_disks_it_fell_asleep_with_and_is_given_the_others_then(tenant: Tenant) -> None:
    root, data, more = ({"name": name, "size": size} for name, size in DISKS)
    machine = tenant.start(disks=[root, data])
    machine.patch(powerState="Hibernated")
    machine.reach("Hibernated")
    machine.patch(disks=[root | {"size": "96Mi"}, more])
    tenant.apply(make_machine("second", disks=[{"name": "root", "volume": "web.data"}]))
    second = tenant.machine("second")
    eventually("VolumeInUse", lambda: second.condition("VolumesReady").get("reason") == "VolumeInUse", 30)

    machine.patch(powerState="Running")

    eventually("its disks", lambda: machine.ask("/cgi-bin/disks") == "vda 98304\nvdb 16384\n", BOOT)
    assert machine.boots() == 1
    second.ready()


def test_a_full_pool_makes_no_half_machine(tenant: Tenant, world: World) -> None:
    small_pool(world, "tiny-full", megabytes=8)
    tenant.apply(make_machine("big", disks=[{"name": "root", "size": "512Mi", "pool": "tiny-full"}]))

    machine = tenant.machine("big")
    eventually("PoolFull", lambda: machine.condition("VolumesReady").get("reason") == "PoolFull", 60)

    assert machine.status["phase"] != "Running"
    machine.delete()
    drop_pool(world, "tiny-full")


def test_a_disk_that_runs_full_pauses_the_guest_until_there_is_room(tenant: Tenant, world: World) -> None:
    small_pool(world, "fills", megabytes=24)
    machine = tenant.start(disks=[{"name": "root", "size": "20Mi", "pool": "fills"}])
    filler = "/var/lib/drover/pools/fills/filler"
    world.node(machine.node, "sh", "-c", f"dd if=/dev/zero of={filler} bs=64k 2>/dev/null || true")

    machine.ask("/cgi-bin/fill?mb=12")

    eventually("OutOfSpace", lambda: machine.condition("Running").get("reason") == "OutOfSpace", 60)
    world.node(machine.node, "rm", filler)
    machine.ready()
    assert machine.boots() == 1
    machine.delete()
    drop_pool(world, "fills")


def drop_pool(world: World, name: str) -> None:
    """Delete a pool, which is refused until its last volume is gone."""
    eventually("no volume in it", lambda: world.try_kubectl("delete", "pool", name).returncode == 0, 30)


def small_pool(world: World, name: str, *, megabytes: int) -> None:
    """Make a pool that lies on a small file system of each node."""
    path = f"/var/lib/drover/pools/{name}"
    for node in ("n1", "n2"):
        world.node(node, "mkdir", "-p", path)
        world.node(node, "mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", path)
    Tenant(world, "default").apply(make_object("StoragePool", name, {"type": "Directory", "directory": {"path": path}}))
