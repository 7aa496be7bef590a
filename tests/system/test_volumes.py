"""Volumes as objects of their own: grown, copied, shared by nodes, bounded; asked of the guests that have them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.system.test_disks import drop_pool
from tests.system.world import BOOT, Machine, Object, Tenant, World, eventually, make_machine, make_object

EXAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "examples"
ON = {name: {"kubernetes.io/hostname": name} for name in ("n1", "n2")}
SIZES = {"64Mi": "vda 65536", "96Mi": "vda 98304"}


def example(name: str) -> list[Object]:
    """Read the objects of an example."""
    return list(yaml.safe_load_all((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")))


def say(machine: Machine, text: str) -> None:
    """Have the guest write a line to its disk."""
    assert machine.ask(f"/cgi-bin/write?disk=vda&text={text}"), machine.status


def said(machine: Machine) -> str:
    """Ask the guest for that line."""
    return str(eventually("what the disk holds", lambda: machine.ask("/cgi-bin/read?disk=vda"), BOOT)).strip()


def holder(tenant: Tenant, name: str) -> str:
    """Node that used a volume last."""
    return tenant.kubectl("get", "vol", name, "-o", "jsonpath={.status.nodeName}")


def reason(machine: Machine, kind: str = "VolumesReady") -> str:
    return str(machine.condition(kind).get("reason"))


@pytest.fixture
def pools(world: World) -> Iterator[list[str]]:
    """Pools that a test makes, taken away when their last volume is gone."""
    made: list[str] = []
    yield made
    for name in made:
        world.try_kubectl("delete", "pool", name, "--wait=false")


def test_a_volume_grows_under_its_guest_and_is_copied_when_that_is_off(tenant: Tenant) -> None:
    tenant.apply(*example("volume"))
    writer = tenant.machine("writer").ready()
    say(writer, "kept")
    assert writer.ask("/cgi-bin/disks") == SIZES["64Mi"] + "\n"

    tenant.apply(make_object("StorageVolume", "notes", {"size": "96Mi", "wipe": "Enabled"}))
    eventually("the guest to see it", lambda: writer.ask("/cgi-bin/disks") == SIZES["96Mi"] + "\n", 30)
    assert writer.boots() == 1
    smaller = make_object("StorageVolume", "notes", {"size": "64Mi", "wipe": "Enabled"})
    assert "size only grows; 64Mi is less than 96Mi" in tenant.refused(smaller)

    tenant.apply(*example("volume-copy"))
    reader = tenant.machine("reader")
    eventually("SourceInUse", lambda: reason(reader) == "SourceInUse", 30)
    writer.patch(powerState="Stopped")
    assert said(reader.ready()) == "kept"
    assert (reader.boots(), reader.ask("/cgi-bin/disks")) == (2, SIZES["96Mi"] + "\n")

    writer.delete()
    eventually("notes to be let go", lambda: tenant.try_kubectl("delete", "vol", "notes").returncode == 0)


def test_a_disk_that_every_node_sees_comes_along_to_another_node(
    tenant: Tenant, world: World, pools: list[str]
) -> None:
    (pool,) = example("pool-shared")
    pools.append(pool["metadata"]["name"])
    pool["spec"]["directory"]["path"] = f"{world.state}/shared"
    tenant.apply(pool)
    disks = [{"name": "root", "size": "64Mi", "pool": "shared"}]
    machine = tenant.start("nomad", disks=disks, nodeSelector=ON["n1"])
    say(machine, "carried")

    machine.patch(powerState="Stopped")
    machine.reach("Stopped")
    machine.patch(powerState="Running", nodeSelector=ON["n2"])
    machine.ready()

    assert (machine.node, said(machine), machine.boots()) == ("n2", "carried", 2)
    eventually("the volume to be n2's", lambda: holder(tenant, "nomad.root") == "n2", 30)
    machine.delete()
    eventually("no file", lambda: not list((world.state / "shared").glob("*.qcow2")), 30)


def test_a_namespace_gets_no_more_than_its_pool_gives_it(tenant: Tenant, world: World, pools: list[str]) -> None:
    (pool,) = example("pool-limits")
    pools.append(pool["metadata"]["name"])
    tenant.apply(pool, make_object("StorageVolume", "most", {"pool": "bounded", "size": "500Mi"}))
    machine = tenant.machine("late")
    tenant.apply(make_machine("late", disks=[{"name": "root", "size": "64Mi", "pool": "bounded"}]))
    eventually("NamespaceLimitExceeded", lambda: reason(machine) == "NamespaceLimitExceeded", 30)
    assert "may have 512Mi" in machine.condition("VolumesReady")["message"]
    assert world.get("vol", "late.root", tenant.namespace) is None

    tenant.kubectl("delete", "vol", "most")

    assert machine.ready().boots() == 1
    machine.delete()
    drop_pool(world, "bounded")
