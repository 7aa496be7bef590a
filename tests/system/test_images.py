"""Images that are not what they claim: a clear condition, nothing left on disk, another try."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.world import Tenant, World, eventually, make_machine, make_object

URL = "http://images.drover.internal"
SIZE = 1 << 20


def qcow2(*, backing: str = "", incompatible: int = 0) -> bytes:
    """Write a qcow2 header that a strict reader must look at."""
    name = backing.encode()
    offset = 104 if name else 0
    place = (offset, len(name), 16, SIZE, 0, 1, 0x30000, 0x10000, 1, 0, 0)
    header = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, *place, incompatible, 0, 0, 4, 104)
    return (header + name).ljust(4 << 16, b"\0")


BAD = {
    "backing": (qcow2(backing="/etc/passwd"), {}, "HasBackingFile"),
    "datafile": (qcow2(incompatible=4), {}, "HasDataFile"),
    "html": (b"<!DOCTYPE html><html>not an image</html>" * 64, {}, "UnknownFormat"),
    "checksum": (b"\0" * 510 + b"\x55\xaa" + b"\0" * 4096, {"checksum": "sha256:" + "0" * 64}, "ChecksumMismatch"),
}


@pytest.fixture
def served(world: World) -> Iterator[Path]:
    """The directory that the image server offers to the nodes."""
    folder = world.state / "images" / "bad"
    folder.mkdir(exist_ok=True)
    yield folder
    for file in folder.iterdir():
        file.unlink()


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_image_is_named_and_leaves_nothing(tenant: Tenant, served: Path, kind: str) -> None:
    content, more, reason = BAD[kind]
    (served / kind).write_bytes(content)
    source = {"type": "HTTP", "http": {"url": f"{URL}/bad/{kind}"}}
    tenant.apply(make_object("VirtualMachineImage", kind, {"type": "Disk", "source": source, **more}))

    tenant.apply(make_machine("bad", disks=[{"name": "root", "image": kind}]))

    machine = tenant.machine("bad")
    eventually(reason, lambda: machine.condition("VolumesReady").get("reason") == reason, 60)
    assert kind in machine.condition("VolumesReady")["message"]
    left = tenant.world.node(machine.node, "ls", "/var/lib/drover/images")
    assert ".part" not in left


def test_an_image_that_appears_later_is_fetched_then(tenant: Tenant, served: Path) -> None:
    source = {"type": "HTTP", "http": {"url": f"{URL}/bad/late"}}
    tenant.apply(make_object("VirtualMachineImage", "late", {"type": "Disk", "source": source}))
    tenant.apply(make_machine("late", disks=[{"name": "root", "image": "late", "size": "64Mi"}]))
    machine = tenant.machine("late")
    eventually("HTTPStatus", lambda: machine.condition("VolumesReady").get("reason") == "HTTPStatus", 60)
    assert "404" in machine.condition("VolumesReady")["message"]

    (served / "late").write_bytes((b"\0" * 510 + b"\x55\xaa").ljust(SIZE, b"\0"))

    machine.ready(120)
    digest = eventually(
        "the digest",
        lambda: (tenant.world.get("vmimage", "late", tenant.namespace) or {}).get("status", {}).get("files"),
        30,
    )
    assert digest[0]["digest"].startswith("sha256:")
