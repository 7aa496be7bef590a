"""Images that are captured from volumes: a moment in time, asked of a guest that starts from one."""

import pytest
from tests.system.test_volumes import SIZES, holder, reason, said, say
from tests.system.world import Object, Tenant, World, eventually, make_object

POOL = "/var/lib/drover/pools/default"


def ready(tenant: Tenant) -> Object:
    """Condition Ready of the image."""
    found = tenant.world.get("vmimage", "golden", tenant.namespace) or {}
    conditions = found.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == "Ready"), {"reason": ""})


def files(world: World, node: str) -> list[str]:
    """Files of the pool on a node."""
    return world.node(node, "ls", POOL).split()


def test_an_image_is_captured_when_its_volume_is_not_in_use_and_stays_as_it_was(tenant: Tenant, world: World) -> None:
    tenant.example("volume")
    writer, copy = tenant.machine("writer").ready(), tenant.machine("copy")
    say(writer, "kept")
    tenant.example("image-capture")
    eventually("VolumeInUse", lambda: ready(tenant)["reason"] == "VolumeInUse", 30)
    assert "VirtualMachine writer, which is running" in ready(tenant)["message"]
    eventually("ImageNotCaptured", lambda: reason(copy) == "ImageNotCaptured", 30)

    writer.patch(powerState="Stopped")

    assert said(copy.ready()) == "kept"
    image = world.get("vmimage", "golden", tenant.namespace) or {}
    assert (copy.node, image["status"]["nodeName"], ready(tenant)["reason"]) == (
        holder(tenant, "notes"),
        copy.node,
        "Held",
    )
    assert copy.ask("/cgi-bin/disks") == SIZES["96Mi"] + "\n"
    outlives_its_volume(tenant, image)


def outlives_its_volume(tenant: Tenant, image: Object) -> None:
    """Take away the volume, then the machine, and with the image its file."""
    world, copy, uid = tenant.world, tenant.machine("copy"), image["metadata"]["uid"]
    tenant.machine("writer").delete()
    eventually("notes to be let go", lambda: tenant.try_kubectl("delete", "vol", "notes").returncode == 0)
    started = copy.status["startTimeline"]["started"]
    copy.annotate(restartedAt=started)
    eventually("a new start", lambda: copy.status["startTimeline"].get("started") != started)
    assert said(copy.ready()) == "kept"
    assert "in use by" in tenant.try_kubectl("delete", "vmimage", "golden").stderr
    assert f"{uid}.qcow2" in files(world, image["status"]["nodeName"])
    copy.delete()
    eventually("golden to be let go", lambda: tenant.try_kubectl("delete", "vmimage", "golden").returncode == 0)
    assert f"{uid}.qcow2" not in files(world, image["status"]["nodeName"])


@pytest.mark.long
def test_the_first_disk_of_a_machine_is_captured_when_that_is_stopped(tenant: Tenant) -> None:
    origin = tenant.start("origin")
    say(origin, "before")
    source = {"type": "VirtualMachine", "virtualMachine": {"name": "origin"}}
    tenant.apply(make_object("VirtualMachineImage", "golden", {"type": "Disk", "source": source}))
    eventually("MachineRunning", lambda: ready(tenant)["reason"] == "MachineRunning", 30)

    origin.patch(powerState="Stopped")
    eventually("the capture", lambda: ready(tenant)["reason"] == "Held")
    origin.patch(powerState="Running")
    say(origin.ready(), "after")

    other = tenant.start("other", disks=[{"name": "root", "image": "golden", "size": "64Mi"}])
    assert (said(other), said(origin)) == ("before", "after")
