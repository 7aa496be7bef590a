"""Volumes as objects of their own: grown, copied, shared by nodes, bounded; asked of the guests that have them."""

from collections.abc import Iterator

import pytest
from tests.system.test_disks import drop_pool
from tests.system.world import BOOT, Machine, Object, Tenant, World, eventually, make_machine, make_object

ON = {name: {"kubernetes.io/hostname": name} for name in ("n1", "n2")}
SIZES = {"64Mi": "vda 65536", "96Mi": "vda 98304"}


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
    tenant.example("volume")
    writer = tenant.machine("writer").ready()
    say(writer, "kept")
    assert writer.ask("/cgi-bin/disks") == SIZES["64Mi"] + "\n"

    tenant.apply(make_object("StorageVolume", "notes", {"size": "96Mi", "wipe": "Enabled"}))
    eventually("the guest to see it", lambda: writer.ask("/cgi-bin/disks") == SIZES["96Mi"] + "\n", 30)
    assert writer.boots() == 1
    smaller = make_object("StorageVolume", "notes", {"size": "64Mi", "wipe": "Enabled"})
    assert "size only grows; 64Mi is less than 96Mi" in tenant.refused(smaller)

    tenant.example("volume-copy")
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
    pools.append("shared")
    tenant.example("pool-shared", {"/srv/drover/shared": f"{world.state}/shared"})
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
    pools.append("bounded")
    tenant.example("pool-limits")
    tenant.apply(make_object("StorageVolume", "most", {"pool": "bounded", "size": "500Mi"}))
    machine = tenant.machine("late")
    tenant.apply(make_machine("late", disks=[{"name": "root", "size": "64Mi", "pool": "bounded"}]))
    eventually("NamespaceLimitExceeded", lambda: reason(machine) == "NamespaceLimitExceeded", 30)
    assert "may have 512Mi" in machine.condition("VolumesReady")["message"]
    assert world.get("vol", "late.root", tenant.namespace) is None

    tenant.kubectl("delete", "vol", "most")

    assert machine.ready().boots() == 1
    machine.delete()
    drop_pool(world, "bounded")


@pytest.mark.long
def test_a_volume_that_is_copied_whole_goes_its_own_way(tenant: Tenant) -> None:
    tenant.example("volume")
    writer, twin = tenant.machine("writer").ready(), tenant.machine("twin")
    say(writer, "kept")
    tenant.example("volume-clone")
    eventually("SourceInUse", lambda: reason(twin) == "SourceInUse", 30)

    writer.patch(powerState="Stopped")

    assert (said(twin.ready(2 * BOOT)), twin.ask("/cgi-bin/disks")) == ("kept", "vda 131072\n")
    say(twin, "changed")
    writer.patch(powerState="Running")
    assert (said(writer.ready(2 * BOOT)), said(twin)) == ("kept", "changed")


@pytest.fixture
def undecided(world: World) -> Iterator[World]:
    """A cluster whose own pool is not the default for a while."""
    for default in (False, True):
        world.kubectl(
            "patch", "pool", "default", "--type=merge", "-p", f'{{"spec": {{"default": {str(default).lower()}}}}}'
        )
        if not default:
            yield world


@pytest.mark.long
def test_disks_that_name_no_pool_go_to_the_default(tenant: Tenant, undecided: World, pools: list[str]) -> None:
    pools.append("roomy")
    tenant.example("pool-default")
    machine = tenant.machine("settled").ready()

    assert machine.boots() == 1
    assert "/var/lib/drover/pools/roomy/" in machine.virsh("domblklist")
    machine.delete()
    drop_pool(undecided, "roomy")


@pytest.mark.long
@pytest.mark.parametrize(("name", "pool", "kind"), [("pool-lvm", "fast", "lvm"), ("pool-zfs", "tank", "zfs")])
def test_a_pool_that_nodes_cannot_have_says_on_each_what_is_missing(
    tenant: Tenant, world: World, pools: list[str], name: str, pool: str, kind: str
) -> None:
    pools.append(pool)
    tenant.example(name, {f"  nodeSelector: {{storage: {kind}}}\n": ""})

    def told() -> dict[str, Object]:
        found = world.get("storagepool", pool) or {}
        return {each["name"]: each for each in found.get("status", {}).get("nodes", [])}

    eventually("both nodes to tell", lambda: set(told()) == set(ON), 60)
    assert [(each["ready"], bool(each["message"])) for each in told().values()] == [(False, True)] * 2


CLIENT = '#!/bin/sh\nexec mount -t tmpfs -o size=256m "$1" "$2"\n'


@pytest.fixture
def client(world: World) -> Iterator[str]:
    """A node with a stand-in for the client of NFS, whose mounts look as if they came from the server."""
    folder = "/run/drover-client"
    world.node("n1", "mkdir", "-p", folder)
    world.node("n1", "sh", "-c", 'printf %s "$1" >"$0" && chmod 755 "$0"', f"{folder}/mount.nfs", CLIENT)
    world.node("n1", "mount", "-t", "overlay", "-o", f"lowerdir={folder}:/usr/sbin", "none", "/usr/sbin")
    yield "n1"
    world.node("n1", "umount", "-l", "/usr/sbin")


@pytest.mark.long
def test_a_pool_of_a_server_is_mounted_and_its_volumes_are_files_there(
    tenant: Tenant, client: str, world: World, pools: list[str]
) -> None:
    pools.append("files")
    tenant.example("pool-nfs", {"  nfs:": f"  nodeSelector: {{kubernetes.io/hostname: {client}}}\n  nfs:"})
    machine = tenant.start("web", disks=[{"name": "root", "size": "64Mi", "pool": "files"}])
    say(machine, "kept")
    mounts = (line.split() for line in world.node(client, "cat", "/proc/mounts").splitlines())
    (place,) = (words[1] for words in mounts if words[0] == "files.example.com:/export/vms")
    assert f"{place}/" in machine.virsh("domblklist")

    machine.patch(powerState="Stopped")
    machine.reach("Stopped")
    machine.patch(powerState="Running")

    assert (said(machine.ready()), machine.boots()) == ("kept", 2)
    machine.delete()
    drop_pool(world, "files")
