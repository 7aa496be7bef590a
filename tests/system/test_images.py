"""Images that are not what they claim: a clear condition, nothing left on disk, another try when they are mended."""

import struct
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import zstandard
from tests.system.mischief import (
    Behaviour,
    Mischief,
    around,
    begin,
    belittle,
    raw_disk,
    served,
    slowly,
    stall,
    truncate,
    whole,
)
from tests.system.world import Machine, Object, Tenant, World, eventually, example, make_machine, make_object

URL = "http://images.drover.internal"
SIZE = 1 << 20
GOOD = raw_disk(SIZE)


def qcow2(*, backing: str = "", incompatible: int = 0, size: int = SIZE) -> bytes:
    """Write a qcow2 header that a strict reader must look at."""
    name = backing.encode()
    offset = 104 if name else 0
    place = (offset, len(name), 16, size, 0, 1, 0x30000, 0x10000, 1, 0, 0)
    header = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, *place, incompatible, 0, 0, 4, 104)
    return (header + name).ljust(4 << 16, b"\0")


BAD: dict[str, tuple[bytes, Behaviour, str]] = {
    "backing": (qcow2(backing="/etc/passwd"), whole, "HasBackingFile"),
    "datafile": (qcow2(incompatible=4), whole, "HasDataFile"),
    "html": (b"<!DOCTYPE html><html>not an image</html>" * 64, whole, "UnknownFormat"),
    "checksum": (GOOD[::-1], whole, "ChecksumMismatch"),
    "stalled": (GOOD, stall, "Stalled"),
    "truncated": (GOOD, truncate, "Truncated"),
    "belittled": (GOOD, belittle, "ChecksumMismatch"),
    "redirects": (GOOD, around, "TooManyRedirects"),
    "backing-in-zst": (zstandard.compress(qcow2(backing="/etc/passwd")), whole, "HasBackingFile"),
    "exbibytes": (qcow2(size=7 << 60), whole, "UnknownFormat"),
}


SHORT = ("backing",)


def make_image(name: str, url: str, **more: str) -> Object:
    """Write a disk image."""
    source = {"type": "HTTP", "http": {"url": url}}
    return make_object("VirtualMachineImage", name, {"type": "Disk", "source": source, **more})


def image_condition(tenant: Tenant, name: str, kind: str = "Ready") -> Object:
    """One condition of an image, empty when absent."""
    status = (tenant.world.get("vmimage", name, tenant.namespace) or {}).get("status", {})
    return next((dict(each) for each in status.get("conditions", []) if each["type"] == kind), {})


@pytest.mark.parametrize(
    "kind", [each if each in SHORT else pytest.param(each, marks=pytest.mark.long) for each in BAD]
)
def test_a_bad_image_is_named_leaves_nothing_and_heals(tenant: Tenant, world: World, kind: str) -> None:
    content, behave, reason = BAD[kind]
    # Of its own for each: content that a node has is not fetched again.
    good = raw_disk(SIZE, bytes([list(BAD).index(kind) + 1]))
    checksum = {"checksum": Mischief(good, whole).digest} if reason == "ChecksumMismatch" else {}
    with served(world, content, behave) as server:
        tenant.apply(make_image(kind, server.url, **checksum))
        tenant.apply(
            make_machine("bad", disks=[{"name": "root", "image": kind, "size": "64Mi"}], restartPolicy="Never")
        )
        machine = tenant.machine("bad")
        tells_of_trouble(machine, kind, reason)
        assert ".part" not in world.node(machine.node, "ls", "-a", "/var/lib/drover/images")

        server.body, server.behave = good, whole

        machine.ready(120)
        eventually("the image", lambda: image_condition(tenant, kind).get("status") == "True", 30)


def tells_of_trouble(machine: Machine, image: str, reason: str) -> None:
    """Machine and image say what is wrong, the image also where."""
    eventually(reason, lambda: machine.condition("VolumesReady").get("reason") == reason, 60)
    assert image in machine.condition("VolumesReady")["message"]
    tenant = machine.tenant
    eventually(f"the image to say {reason}", lambda: image_condition(tenant, image).get("reason") == reason, 30)
    ready = image_condition(tenant, image)
    assert (ready["status"], machine.node in ready["message"]) == ("False", True)


def to_members(handler: BaseHTTPRequestHandler, body: bytes, *, pause: float = 0.05) -> None:
    """Send the file slowly to whoever has the example's Secret."""
    if handler.headers.get("Authorization") == "Bearer change-me":
        slowly(handler, body, pause=pause)
    else:
        begin(handler, 0, 401)


def test_a_download_whose_worker_dies_goes_on_where_it_was(tenant: Tenant, world: World) -> None:
    with served(world, raw_disk(16 * SIZE, b"x"), to_members) as server:
        tenant.example("image-private", {f"{URL}/private.raw": server.url, f"sha256:{'0' * 64}": server.digest})
        machine = tenant.machine("member")
        eventually("a node", lambda: machine.status.get("nodeName"), 30)
        part = lambda: world.node(machine.node, "find", "/var/lib/drover/images", "-name", ".part-*", "-size", "+1M")  # noqa: E731
        eventually("a part of it", part, 30)

        workers = world.node(machine.node, "pgrep", "-f", "drover worker fetch").split()
        world.node(machine.node, "kill", "-9", *workers)
        server.behave = partial(to_members, pause=0)

        assert machine.ready(120).ask("/cgi-bin/disks") == "vda 65536\n"
        image = tenant.world.get("vmimage", "private", tenant.namespace) or {}
        assert image["status"]["digest"] == server.digest
        assert len(server.ranges) == 2
        assert int(server.ranges[1].removeprefix("bytes=").removesuffix("-")) >= SIZE


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/metrics",
        pytest.param("http://169.254.169.254/latest/meta-data/", marks=pytest.mark.long),
    ],
)
def test_the_nodes_own_services_are_no_images(tenant: Tenant, url: str) -> None:
    tenant.apply(make_image("inside", url))
    tenant.apply(make_machine("inside", disks=[{"name": "root", "image": "inside"}]))

    tells_of_trouble(tenant.machine("inside"), "inside", "HostNotAllowed")


@pytest.fixture
def late(world: World) -> Iterator[Path]:
    """A file that the image server offers to the nodes once it is there."""
    file = world.state / "images" / "late"
    yield file
    file.unlink(missing_ok=True)


@pytest.mark.long
def test_an_image_that_appears_later_is_fetched_then(tenant: Tenant, late: Path) -> None:
    tenant.apply(make_image("late", f"{URL}/late"))
    tenant.apply(make_machine("late", disks=[{"name": "root", "image": "late", "size": "64Mi"}]))
    machine = tenant.machine("late")
    eventually("HTTPStatus", lambda: machine.condition("VolumesReady").get("reason") == "HTTPStatus", 60)
    assert "404" in machine.condition("VolumesReady")["message"]

    late.write_bytes(GOOD)

    machine.ready(120)
    digest = eventually(
        "the digest",
        lambda: (tenant.world.get("vmimage", "late", tenant.namespace) or {}).get("status", {}).get("files"),
        30,
    )
    assert digest[0]["digest"].startswith("sha256:")


def test_an_image_is_lent_to_namespaces_with_its_label(tenant: Tenant, world: World) -> None:
    image, borrower = example("image-shared")
    library = Tenant(world, "library")
    library.apply(image)
    tenant.apply(borrower)
    machine = tenant.machine("borrower")

    eventually("NotAllowed", lambda: machine.condition("Accepted").get("reason") == "NotAllowed", 30)
    world.kubectl("label", "namespace", tenant.namespace, "drover.example/images=allowed")
    machine.ready()
    assert machine.ask("/hostname") == "borrower\n"

    machine.delete()
    eventually("the image to be let go", lambda: library.try_kubectl("delete", "vmimage", "lent").returncode == 0)
