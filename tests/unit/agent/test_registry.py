"""Images from container registries: container disks and artifacts, by tag and by digest."""

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tests.unit.agent import images
from tests.unit.agent.registryserver import FILE, INDEX, MANIFEST, Registry, manifest, registry, tarred
from tests.unit.agent.test_fetch import left

from drover.agent.fetch import layer
from drover.agent.fetch.order import Order, Result, Trouble
from drover.agent.fetch.process import fetch
from drover.agent.fetch.registry import ARCHITECTURES

DISK = images.RAW
LAYER = tarred({"etc/motd": b"hello", "disk/debian.img": DISK})
CUT = gzip.compress(LAYER, mtime=0)[:-20]
USER = {"username": "ann", "password": "hush"}
BASIC = f"Basic {base64.b64encode(b'ann:hush').decode()}"


async def pulled(served: Registry, folder: Path, name: str = "vms/debian:12", **wishes: Any) -> Result:
    wanted = {"kind": "Disk", "hosts": "127.0.0.1", "plain_registries": (served.host,)} | wishes
    return await fetch(Order(f"oci://{served.host}/{name}", folder, **wanted), lambda *_: None)


async def refused(served: Registry, folder: Path, name: str = "vms/debian:12", **wishes: Any) -> str:
    with pytest.raises(Trouble) as caught:
        await pulled(served, folder, name, **wishes)
    assert left(folder) == []
    return caught.value.reason


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress], ids=["tar", "gz", "zst"])
async def test_the_disk_in_a_container_disk_is_kept(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    async with registry() as served:
        sent = pack(LAYER)
        digest = served.push("12", manifest([b"small", sent]), b"small", sent)
        result = await pulled(served, tmp_path)

    assert (result.digest, result.format, result.virtual_size) == (digest, "raw", len(DISK))
    assert images.plain(tmp_path / result.file) == DISK
    assert left(tmp_path) == [result.file]


async def test_an_artifact_is_the_file_itself(tmp_path: Path) -> None:
    async with registry() as served:
        digest = served.push("12", manifest([images.KERNEL], FILE), images.KERNEL)
        result = await pulled(served, tmp_path, kind="File")

    assert (result.digest, (tmp_path / result.file).read_bytes()) == (digest, images.KERNEL)


async def test_a_tag_that_moved_is_followed_only_by_who_does_not_know_better(tmp_path: Path) -> None:
    async with registry() as served:
        first = served.push("12", manifest([images.KERNEL], FILE), images.KERNEL)
        other = served.push("12", manifest([b"other"], FILE), b"other")
        digests = [(await pulled(served, tmp_path, kind="File", checksum=known)).digest for known in (first, "")]

    assert digests == [first, other]


async def test_of_an_index_this_machines_image_is_taken(tmp_path: Path) -> None:
    async with registry() as served:
        ours = served.push("ours", manifest([images.KERNEL], FILE), images.KERNEL)
        places = [("s390x", "sha256:" + "0" * 64), *((name, ours) for name in ARCHITECTURES.values())]
        entries = [{"digest": each, "platform": {"os": "linux", "architecture": name}} for name, each in places]
        index = served.push("12", {"mediaType": INDEX, "manifests": entries})
        result = await pulled(served, tmp_path, f"vms/debian@{index}", kind="File")

    assert (result.digest, (tmp_path / result.file).read_bytes()) == (index, images.KERNEL)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param({"mediaType": INDEX, "manifests": []}, "UnknownFormat", id="an index without this machine"),
        pytest.param({"mediaType": MANIFEST, "layers": []}, "UnknownFormat", id="no layers"),
        pytest.param({"mediaType": MANIFEST}, "UnknownFormat", id="no manifest at all"),
        pytest.param({"layers": [{"digest": "md5:1", "size": 1}]}, "UnknownFormat", id="another kind of digest"),
        pytest.param(manifest([tarred({"etc/motd": b"hello"})]), "UnknownFormat", id="no disk in it"),
        pytest.param(manifest([LAYER[:2000]]), "UnknownFormat", id="a layer that is cut short"),
        pytest.param(manifest([CUT]), "UnknownFormat", id="a packed layer that is cut short"),
        pytest.param(manifest([tarred({"disk/../../etc/passwd": b"x" * 999})]), "UnknownFormat", id="no disk at all"),
    ],
)
async def test_what_is_no_disk_image_is_refused(tmp_path: Path, content: dict[str, Any], reason: str) -> None:
    layers = [tarred({"etc/motd": b"hello"}), LAYER[:2000], CUT]
    async with registry() as served:
        served.push("12", content, *layers, tarred({"disk/../../etc/passwd": b"x" * 999}))
        assert await refused(served, tmp_path) == reason


async def test_a_disk_with_a_backing_file_is_refused_in_a_layer_too(tmp_path: Path) -> None:
    sent = gzip.compress(tarred({"disk/a.qcow2": images.backed(tmp_path)}))
    async with registry() as served:
        served.push("12", manifest([sent]), sent)
        assert await refused(served, tmp_path) == "HasBackingFile"


@pytest.mark.parametrize("most", [{"maximum_bytes": 1 << 19}, {}], ids=["by its size", "by what comes before"])
async def test_a_layer_that_unpacks_to_too_much_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: Any
) -> None:
    monkeypatch.setattr(layer, "MEMBERS", 10)
    sent = gzip.compress(tarred({**{f"etc/{number}": b"" for number in range(99 if not most else 1)}, "disk/a": DISK}))
    async with registry() as served:
        served.push("12", manifest([sent]), sent)
        assert await refused(served, tmp_path, **most) == ("TooLarge" if most else "UnknownFormat")


async def test_a_registry_that_sends_another_manifest_is_not_believed(tmp_path: Path) -> None:
    wanted = "sha256:" + "1" * 64
    async with registry() as served:
        served.push(wanted, manifest([LAYER]), LAYER)
        assert await refused(served, tmp_path, f"vms/debian@{wanted}") == "ChecksumMismatch"


async def test_a_registry_that_sends_another_layer_is_not_believed(tmp_path: Path) -> None:
    async with registry() as served:
        served.push("12", manifest([LAYER]), LAYER)
        served.blobs = dict.fromkeys(served.blobs, LAYER[::-1])
        assert await refused(served, tmp_path) == "ChecksumMismatch"


async def test_an_image_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with registry() as served:
        assert await refused(served, tmp_path) == "HTTPStatus"


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        pytest.param({}, "Bearer for anybody", id="anybody"),
        pytest.param(USER, f"Bearer for {BASIC}", id="name and password"),
        pytest.param(None, f"Bearer for {BASIC}", id="docker's own file"),
    ],
)
async def test_a_token_is_fetched_where_the_registry_says(
    tmp_path: Path, credentials: dict[str, str] | None, expected: str
) -> None:
    challenge = 'Bearer realm="http://{host}/token",service="us"'
    async with registry(challenge=challenge, expected=expected) as served:
        entry = {"auth": base64.b64encode(b"ann:hush").decode()}
        docker = {".dockerconfigjson": json.dumps({"auths": {served.host: entry}})}
        served.push("12", manifest([LAYER]), LAYER)
        result = await pulled(served, tmp_path, credentials=docker if credentials is None else credentials)

    assert result.format == "raw"


async def test_a_registry_that_wants_a_password_gets_it(tmp_path: Path) -> None:
    async with registry(challenge="Basic realm=x", expected=BASIC) as served:
        served.push("12", manifest([LAYER]), LAYER)
        assert await refused(served, tmp_path) == "Unauthorized"
        assert (await pulled(served, tmp_path, credentials=USER)).format == "raw"


async def test_a_registry_out_of_reach_is_not_asked(tmp_path: Path) -> None:
    async with registry() as served:
        assert await refused(served, tmp_path, hosts="*") == "HostNotAllowed"
        assert served.asked == []
