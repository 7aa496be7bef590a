"""Images of a Ceph cluster as disks: carried from node to node, grown, copied, wiped and deleted."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.system.apart import found_by
from tests.system.services.ceph import STORE_BYTES, Cluster, cluster
from tests.system.test_lvm import MIB
from tests.system.test_volumes import ON, SIZES, holder, reason, said, say
from tests.system.world import Object, Tenant, World, eventually, example, make_kernel_image, make_machine, make_object

NAMESPACE = "drover-system"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of making, copying, growing, wiping and deleting images."""
    folder = tmp_path_factory.mktemp("ceph")
    return found_by("ceph.inside", folder, 300, LVM_FOLDER=folder)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "size", "data"),
    [("image", 8, MIB), ("blank", 8, 0), ("copy", 12, MIB), ("wiped", 12, 0), ("back", 16, MIB)],
)
def test_an_image_of_ceph_has_what_it_is_made_from(found: dict[str, Any], name: str, size: int, data: int) -> None:
    begins = "AA" if data else "\0\0"

    assert found[name] == {"size": size * MIB, "begins": begins, "data": data, "left": False}


@pytest.mark.long
def test_a_pool_of_ceph_is_opened_counted_and_left(found: dict[str, Any]) -> None:
    assert (found["keyless"], found["capacity"], found["held"]) == ("PoolUnusable", STORE_BYTES, "VolumeOpen")
    assert (sorted(found["volumes"]), found["left"]) == (["back", "blank", "image"], [])


def prepared(world: World, tenant: Tenant, name: str) -> Object:
    """Apply the example's pool and its machine, on the first node; gives the Secret, which is missing yet."""
    pool, secret, machine = example(name)
    pool["spec"]["rbd"] |= {"monitors": [world.address]}
    machine["spec"]["nodeSelector"] = ON["n1"]
    tenant.apply(make_kernel_image(), pool, machine)
    return secret


def write(world: World, secret: Object, key: str) -> None:
    """Have the key in the Secret."""
    body = {name: value for name, value in secret.items() if name != "stringData"} | {"data": {"key": key}}
    world.kubectl("apply", "-f", "-", given=json.dumps(body))


@pytest.mark.long
def test_an_image_of_ceph_moves_with_its_machine_grows_and_is_copied(
    tenant: Tenant, world: World, tmp_path: Path
) -> None:
    machine, secret = tenant.machine("floater"), prepared(world, tenant, "pool-rbd")
    eventually("SecretNotFound", lambda: reason(machine) == "SecretNotFound", 60)
    assert f"no Secret ceph-drover in namespace {NAMESPACE}" in machine.condition("VolumesReady")["message"]
    write(world, secret, "bm8ga2V5")
    eventually("KeyInvalid", lambda: reason(machine) == "KeyInvalid", 60)
    with cluster(world.address, tmp_path) as ceph:
        write(world, secret, ceph.key)
        say(machine.ready(), "carried")
        assert is_private(world, ceph)

        machine.patch(powerState="Stopped")
        machine.reach("Stopped")
        machine.patch(powerState="Running", nodeSelector=ON["n2"])
        machine.ready()
        assert (machine.node, said(machine), machine.boots()) == ("n2", "carried", 2)
        eventually("the volume to be n2's", lambda: holder(tenant, "floater.root") == "n2", 30)

        machine.patch(disks=[{"name": "root", "size": "96Mi", "pool": "ceph"}])
        eventually("the guest to see it", lambda: machine.ask("/cgi-bin/disks") == SIZES["96Mi"] + "\n", 30)
        copied(tenant, ceph)


def copied(tenant: Tenant, ceph: Cluster) -> None:
    """Copy the machine's disk within the cluster, once the machine is off, and leave nothing."""
    machine = tenant.machine("floater")
    source = {"type": "Volume", "volume": "floater.root"}
    volume = make_object("StorageVolume", "twin", {"pool": "ceph", "source": source, "wipe": "Enabled"})
    tenant.apply(volume)
    tenant.apply(make_machine("twin", disks=[{"name": "root", "volume": "twin"}]))
    twin = tenant.machine("twin")
    eventually("SourceInUse", lambda: reason(twin) == "SourceInUse", 60)
    machine.patch(powerState="Stopped")
    assert said(twin.ready()) == "carried"
    machine.delete()
    twin.delete()
    eventually("twin to be let go", lambda: tenant.try_kubectl("delete", "vol", "twin").returncode == 0)
    eventually("no image", lambda: ceph.images == [], 60)
    tenant.kubectl("delete", "pool", "ceph")


def is_private(world: World, ceph: Cluster) -> bool:
    """Whether a node has the key neither in libvirt's definitions nor in files of the agent's."""
    key = ceph.ask("ceph", "auth", "get-key", "client.drover")
    places = ("/etc/libvirt", "/run/libvirt", "/var/lib/libvirt", "/var/lib/drover")
    return not world.node("n1", "grep", "-rlF", "--", key, *places, check=False)
