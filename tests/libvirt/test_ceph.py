"""Pools of Ceph on libvirt's test driver: it reaches no cluster, but has pools and volumes of its kind."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.fake_libvirt import make_error

import libvirt
from drover.errors import Busy, NotReady, Retryable
from drover.hypervisor import logical
from drover.hypervisor.host import Host
from drover.state.host import Ceph, CephKey, Group
from drover.translation import ceph

MIB = 1 << 20
IMAGE = Path("/images/abc.qcow2")
PROGRAM = """\
#!/usr/bin/python3
import json, os, re, sys
words = sys.argv[1:]
files = re.findall("file=(/dev/fd/[0-9]+)", " ".join(words))
told = {"words": words, "keys": [open(name).read() for name in files], "settings": open(os.environ["CEPH_CONF"]).read()}
print(json.dumps(told), file=open(os.environ["TOLD"], "a"))
sys.exit(os.environ.get("COMPLAINT"))
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a stand-in for qemu-img was told, one line each time."""
    folder, found = tmp_path / "bin", tmp_path / "told"
    folder.mkdir()
    (folder / "qemu-img").write_text(PROGRAM)
    (folder / "qemu-img").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("TOLD", str(found))
    return found


def lines(told: Path) -> list[dict[str, Any]]:
    """What it was told so far."""
    return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


@pytest.fixture
def monitor() -> Iterator[Ceph]:
    """A cluster of which something listens where its second monitor should."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Ceph(("127.0.0.2", "127.0.0.1"), server.getsockname()[1], "vms", "drover", "drover-vms")


@pytest.fixture
async def pool(host: Host, monitor: Ceph, behind: libvirt.virConnect) -> libvirt.virStoragePool:
    """A pool of Ceph whose key is known."""
    host.keyring.put("vms", CephKey(b"hush"))
    await host.ensure_pool("vms", ceph.address(monitor), monitor)
    return behind.storagePoolLookupByName("drover-vms")


async def test_an_image_is_filled_by_qemu_img_which_alone_is_given_the_key(
    host: Host, pool: libvirt.virStoragePool, told: Path
) -> None:
    made = await host.create_whole_volume("vms", "uid", 8 * MIB, IMAGE)

    line = lines(told)[0]
    assert (made.capacity_bytes, line["keys"], str(IMAGE) in line["words"]) == (8 * MIB, ["hush"], True)
    assert "hush" not in " ".join(line["words"])
    assert "rados_osd_op_timeout" in line["settings"]
    assert sorted(pool.listVolumes()) == ["drover-uid", "drover-uid.whole"]


async def test_a_blank_image_takes_no_filling(host: Host, pool: libvirt.virStoragePool, told: Path) -> None:
    await host.create_whole_volume("vms", "uid", 8 * MIB, None)

    assert (await host.volumes("vms"), lines(told)) == (("uid",), [])


@pytest.mark.usefixtures("pool")
async def test_an_image_that_was_not_filled_to_its_end_is_made_anew(
    host: Host, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLAINT", "error while writing: Input/output error")
    with pytest.raises(Retryable, match="Input/output error") as caught:
        await host.create_whole_volume("vms", "uid", 8 * MIB, IMAGE)
    assert (caught.value.reason, await host.volume("vms", "uid")) == ("CopyFailed", None)
    monkeypatch.delenv("COMPLAINT")

    assert (await host.create_whole_volume("vms", "uid", 8 * MIB, IMAGE)).capacity_bytes == 8 * MIB
    assert len(lines(told)) == 2


@pytest.mark.usefixtures("pool", "told")
async def test_a_qemu_img_that_knows_no_images_names_what_is_missing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLAINT", "qemu-img: Could not open 'json:…': Unknown driver 'rbd'")

    with pytest.raises(NotReady, match="qemu-block-extra") as caught:
        await host.create_whole_volume("vms", "uid", 8 * MIB, IMAGE)
    assert caught.value.reason == "Unsupported"


@pytest.mark.usefixtures("pool", "told")
async def test_nothing_is_filled_without_the_key(host: Host) -> None:
    host.keyring.drop("vms")

    with pytest.raises(NotReady, match="the key of rbd://drover@") as caught:
        await host.create_whole_volume("vms", "uid", 8 * MIB, IMAGE)
    assert caught.value.reason == "PoolNotActive"


@pytest.mark.usefixtures("pool")
async def test_images_are_copied_within_a_cluster_and_fetched_out_of_it(
    host: Host, told: Path, behind: libvirt.virConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirt.virStoragePool, "createXMLFrom", lambda fast, document, *_: fast.createXML(document))
    await host.create_whole_volume("vms", "uid", 8 * MIB, None)
    await host.ensure_pool("fast", "/dev/vg0", Group("vg0"))

    twin = await host.copy_volume("vms", "twin", 12 * MIB, ("vms", "uid"))
    device = await host.copy_volume("fast", "device", MIB, ("vms", "uid"))

    assert (twin.capacity_bytes, device.capacity_bytes) == (12 * MIB, 8 * MIB)
    assert behind.storagePoolLookupByName(logical.SCRATCH).listVolumes() == []
    assert [line["keys"] for line in lines(told)] == [["hush", "hush"], ["hush"]]


async def test_an_image_that_ceph_keeps_is_not_said_to_be_gone(
    host: Host, pool: libvirt.virStoragePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await host.create_whole_volume("vms", "uid", 8 * MIB, None)

    def fail(*_: object) -> None:
        error = make_error(libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_STORAGE)
        error.args = ("failed to remove volume 'vms/drover-uid': No such file or directory",)
        raise error

    monkeypatch.setattr(libvirt.virStorageVol, "delete", fail)
    with pytest.raises(Busy, match="somebody has it open, or it has snapshots"):
        await host.delete_volume("vms", "uid")


async def test_a_cluster_of_which_no_monitor_answers_is_told(host: Host) -> None:
    nobody = Ceph(("127.0.0.1", "127.0.0.2"), 1, "vms", "drover", "drover-vms")

    with pytest.raises(NotReady, match=r"127\.0\.0\.1:1 .*; Ceph monitor 127\.0\.0\.2:1 ") as caught:
        await host.ensure_pool("vms", ceph.address(nobody), nobody)
    assert caught.value.reason == "PoolUnusable"


async def test_a_pool_is_described_anew_for_other_monitors_with_its_images_in_it(
    host: Host, pool: libvirt.virStoragePool, monitor: Ceph, behind: libvirt.virConnect
) -> None:
    assert pool.isActive()
    await host.create_whole_volume("vms", "uid", 8 * MIB, None)
    fewer = Ceph(("127.0.0.1",), monitor.port, "vms", "drover", "drover-vms")

    facts = await host.ensure_pool("vms", ceph.address(fewer), fewer)

    assert facts.path == f"rbd://drover@127.0.0.1:{monitor.port}/vms"
    assert behind.storagePoolLookupByName("drover-vms").isActive()
