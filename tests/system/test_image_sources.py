"""Images of every kind and from everywhere, told by what is on the disks of the guests that start from them."""

import io
import json
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import obstore
import pytest
import zstandard
from obstore.store import S3Store
from tests.system.services.serve import KEYS, bucket_server, registry_server
from tests.system.world import Object, Tenant, World, eventually, hold, told

BOOTS = 41
RETAIN = {"reclaimPolicy": "Retain"}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A disk that has been booted many times, as its boot counter says."""
    folder = tmp_path_factory.mktemp("disk")
    files, path = folder / "files", folder / "disk.raw"
    files.mkdir()
    (files / "boots").write_text(f"{BOOTS:<11}\n")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", files, path, "32M"], check=True)
    return path.read_bytes()


@pytest.fixture
def served(world: World) -> Iterator[Path]:
    """The folder from which the sandbox serves images; what a test puts there goes with it."""
    folder = world.state / "images"
    before = set(folder.iterdir())
    yield folder
    for path in set(folder.iterdir()) - before:
        path.unlink()


def image(tenant: Tenant) -> Object:
    """Status of the example's image."""
    return dict((tenant.world.get("vmimage", "counter", tenant.namespace) or {}).get("status", {}))


def boots_from(tenant: Tenant, example: str) -> Object:
    """Apply an example; its guest must go on counting where the disk's counter stood. Gives the image's status."""
    tenant.example(example)
    machine = tenant.machine("counter").ready(120)
    assert machine.boots() == BOOTS + 1
    return eventually("the image to be told of", lambda: image(tenant) if image(tenant).get("digest") else None, 30)


def test_a_packed_disk_of_another_hypervisor_boots(tenant: Tenant, served: Path, disk: bytes, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(disk)
    words = ("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized")
    subprocess.run((*words, tmp_path / "raw", tmp_path / "vmdk"), check=True)
    body = zstandard.ZstdCompressor().compress((tmp_path / "vmdk").read_bytes())
    (served / "counter.vmdk.zst").write_bytes(body)

    status = boots_from(tenant, "image-archive")

    assert (status["format"], status["virtualSize"]) == ("vmdk", "32Mi")
    assert status["digest"] == f"sha256:{sha256(body).hexdigest()}"


@pytest.mark.long
def test_a_disk_in_a_private_bucket_boots(tenant: Tenant, world: World, disk: bytes, tmp_path: Path) -> None:
    with bucket_server(world, tmp_path) as url:
        (tmp_path / "data" / "images").mkdir()
        keys: Any = {"access_key_id": KEYS["ROOT_ACCESS_KEY"], "secret_access_key": KEYS["ROOT_SECRET_KEY"]}
        options: Any = {"allow_http": True}
        store = S3Store("images", endpoint=url, region="us-east-1", client_options=options, **keys)
        obstore.put(store, "counter.raw", disk)
        status = boots_from(tenant, "image-bucket")

    assert (status["format"], status["digest"]) == ("raw", f"sha256:{sha256(disk).hexdigest()}")


def layer(disk: bytes) -> bytes:
    """A layer with a disk where container disks have it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        member = tarfile.TarInfo("disk/counter.img")
        member.size = len(disk)
        archive.addfile(member, io.BytesIO(disk))
    return made.getvalue()


def push(url: str, repository: str, tag: str, body: bytes) -> str:
    """Push an image of one layer; gives the digest of its manifest."""
    described = []
    for kind, blob in (("config.v1+json", b"{}"), ("layer.v1.tar+gzip", body)):
        digest = f"sha256:{sha256(blob).hexdigest()}"
        begin = urllib.request.Request(f"{url}/v2/{repository}/blobs/uploads/", method="POST")
        with urllib.request.urlopen(begin) as answer:
            place = answer.headers["Location"]
        put(f"{place}&digest={digest}", blob, "application/octet-stream")
        described.append({"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(blob)})
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1:]}
    content = json.dumps(manifest).encode()
    put(f"{url}/v2/{repository}/manifests/{tag}", content, MANIFEST)
    return f"sha256:{sha256(content).hexdigest()}"


def put(url: str, body: bytes, kind: str) -> None:
    """Put something to where a server said."""
    request = urllib.request.Request(url, body, {"Content-Type": kind}, method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


@pytest.mark.long
def test_a_container_disk_boots(tenant: Tenant, world: World, disk: bytes, tmp_path: Path) -> None:
    with registry_server(world, tmp_path) as url:
        digest = push(url, "disks/counter", "1", layer(disk))
        status = boots_from(tenant, "image-registry")

    assert (status["format"], status["digest"]) == ("raw", digest)


@pytest.fixture
def hasty(world: World) -> Iterator[World]:
    """Nodes that keep no image that was not needed for seconds."""
    words = ("up", "--kubelet", "Kwok", "--nodes", "2", "--no-quickstart")
    world.sandbox(*words, *told("DROVER_IMAGE_SWEEP_SECONDS=1", "DROVER_IMAGE_UNUSED_SECONDS=2"))
    yield world
    world.sandbox(*words, *told())


@pytest.mark.long
def test_an_image_goes_when_no_volume_rests_on_it(tenant: Tenant, hasty: World, served: Path, disk: bytes) -> None:
    (served / "counter.vmdk.zst").write_bytes(zstandard.ZstdCompressor().compress(disk))
    digest = boots_from(tenant, "image-archive")["digest"].removeprefix("sha256:")
    machine = tenant.machine("counter")
    node, file = machine.node, f"/var/lib/drover/images/{digest}.qcow2"

    def there() -> bool:
        return bool(hasty.node(node, "ls", file, check=False))

    machine.patch(powerState="Stopped", disks=[{"name": "root", "image": "counter", "size": "128Mi", **RETAIN}])
    machine.reach("Stopped")
    hold("the image of a stopped machine is kept", there, 6)
    machine.delete()
    hold("the image of a volume without a machine is kept", there, 6)

    again = tenant.start(
        "again", disks=[{"name": "root", "volume": "counter.root"}], nodeSelector={"kubernetes.io/hostname": node}
    )
    assert again.boots() == BOOTS + 2
    again.delete()
    words = ("delete", "vol", "counter.root", "-n", tenant.namespace)
    eventually("the volume to go", lambda: hasty.try_kubectl(*words).returncode == 0, 30)

    eventually("the image to go", lambda: not there(), 30)
    eventually("nobody to hold it", lambda: image(tenant).get("nodes") == 0, 30)
