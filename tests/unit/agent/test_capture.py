"""Captured images on a node: made once, told, taken into the cache, and deleted with the image."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.domains import DISK
from tests.unit.agent import images
from tests.unit.agent.world import POOL_SPEC, World

from drover.agent import capture
from drover.agent.fetch.order import Order, Result, Trouble
from drover.agent.fetch.process import fetch
from drover.agent.workers import Wanted
from drover.api.domain import Artifact
from drover.api.hypervisor import HeldImage
from drover.api.kinds import CRD, IMAGE, POOL
from drover.errors import NotReady, Retryable
from drover.hypervisor.capture import digest
from drover.planning import names
from drover.state.host import VolumeFile
from drover.state.resource import Key

KEY = Key("shop", "golden")
URL = "volume://default/uid-golden"
NOTES = VolumeFile("/pool/uid-notes.qcow2", 1 << 30, 1 << 20)
SPEC = {"type": "Disk", "source": {"type": "Volume", "volume": {"name": "notes"}}}
BOUND = {"nodeName": "n1", "capture": {"volume": "notes", "volumeUID": "uid-notes", "pool": "default"}}
COPY = "copy_volume from default/uid-notes"
SHA = "sha256:" + "a" * 64


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.host.files["default", "uid-notes"] = NOTES
    order(world)
    return world


def order(world: World, **status: Any) -> None:
    """Have this node capture an image."""
    metadata = {"finalizers": [names.FINALIZER_IMAGE]}
    world.put(IMAGE, KEY, {"spec": SPEC, "status": {**BOUND, **status}, "metadata": metadata})


def told(world: World) -> HeldImage | None:
    return next(iter(world.node.images.reported()), None)


async def test_a_volume_is_captured_once_and_its_digest_told(world: World) -> None:
    for _ in range(2):
        await capture.reconcile(world.node, KEY)

    file = world.host.files["default", "uid-golden"]
    assert told(world) == HeldImage(
        image="shop/golden",
        url=URL,
        digest=f"sha256:{file.path}",
        size=file.allocated_bytes,
        download_size=file.allocated_bytes,
        format="qcow2",
        virtual_size=1 << 30,
    )
    assert world.host.calls.count(COPY) == 1


async def test_what_is_known_by_a_digest_is_not_read_again(world: World) -> None:
    await capture.reconcile(world.node, KEY)
    order(world, digest=SHA)
    again = world.reborn()
    again.host.calls.clear()

    await capture.reconcile(again.node, KEY)

    assert (told(again) or HeldImage(image="", url="")).digest == SHA
    assert not {COPY, "digest"} & set(again.host.calls)


async def test_captured_data_that_are_gone_are_lost_and_never_made_anew(world: World) -> None:
    order(world, digest=SHA)

    with pytest.raises(NotReady, match="not in pool default any more"):
        await capture.reconcile(world.node, KEY)

    found = told(world)
    assert (found and found.reason, found and found.digest) == ("CaptureLost", "")
    assert COPY not in world.host.calls


async def test_a_volume_that_is_in_use_is_told_until_it_is_not(world: World) -> None:
    world.host.fails[COPY] = NotReady("its machine is on", reason="SourceInUse")
    with pytest.raises(NotReady):
        await capture.reconcile(world.node, KEY)
    found = told(world)
    assert (found and found.reason, found and found.message) == ("SourceInUse", "its machine is on")

    await capture.reconcile(world.node, KEY)

    found = told(world)
    assert found is not None
    assert (found.reason, bool(found.digest)) == ("", True)


async def test_an_image_that_goes_takes_its_file_along(world: World) -> None:
    await capture.reconcile(world.node, KEY)
    world.delete(IMAGE, KEY)

    await capture.reconcile(world.node, KEY)

    assert ("default", "uid-golden") not in world.host.files
    assert world.host.files["default", "uid-notes"] == NOTES
    assert (IMAGE, KEY) not in world.etcd.objects
    assert told(world) is None
    assert await capture.reconcile(world.node, KEY) is None


async def test_data_stay_when_only_the_kind_goes(world: World) -> None:
    await capture.reconcile(world.node, KEY)
    del world.etcd.objects[CRD, Key("", f"{IMAGE.plural}.{IMAGE.group}")]
    world.delete(IMAGE, KEY)

    await capture.reconcile(world.node, KEY)

    assert ("default", "uid-golden") in world.host.files
    assert (IMAGE, KEY) not in world.etcd.objects


async def test_an_image_that_another_component_still_holds_is_left_alone(world: World) -> None:
    metadata = {"finalizers": ["example.org/theirs"]}
    world.put(IMAGE, KEY, {"spec": SPEC, "status": BOUND, "metadata": metadata})
    world.delete(IMAGE, KEY)

    await capture.reconcile(world.node, KEY)

    assert "delete_volume" not in world.host.calls


async def test_nothing_is_captured_before_the_api_server_was_read(tmp_path: Path) -> None:
    world = World(tmp_path, primed=False)

    assert await capture.reconcile(world.node, KEY) is None
    assert world.host.calls == []


def test_a_lost_capture_is_told_although_the_cache_has_it(world: World) -> None:
    kept = HeldImage(image="shop/golden", url=URL, digest=SHA)
    world.node.images.keeps(KEY, kept)
    assert told(world) == kept
    world.node.images.keeps(KEY, kept.model_copy(update={"reason": "CaptureLost"}))
    assert (told(world) or kept).reason == "CaptureLost"
    world.node.images.keep_no_more(KEY)
    assert told(world) is None


# --- sealed ---------------------------------------------------------------------------------------------------------

SEALED = {"type": "VirtualMachine", "virtualMachine": {"name": "web", "seal": "Enabled"}}


@pytest.fixture
def sealing(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A node that is to capture an image and to seal it, without the program for that."""
    metadata = {"finalizers": [names.FINALIZER_IMAGE]}
    world.put(IMAGE, KEY, {"spec": {"type": "Disk", "source": SEALED}, "status": BOUND, "metadata": metadata})
    world.host.folder = world.folder
    (world.folder / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{world.folder / 'bin'}:/usr/bin:/bin")
    return world


def install(world: World, line: str) -> None:
    """Put something in the place of virt-sysprep."""
    program = world.folder / "bin" / "virt-sysprep"
    program.write_text(f"#!/bin/sh\nfor last; do :; done\n{line}\n")
    program.chmod(0o755)


def content(world: World) -> str:
    return Path(world.host.files["default", "uid-golden"].path).read_text()


async def test_a_copy_is_sealed_before_it_gets_its_name(sealing: World) -> None:
    install(sealing, 'echo sealed >"$last"')

    await capture.reconcile(sealing.node, KEY)

    assert content(sealing) == "sealed\n"
    assert sealing.host.calls.index("finish") < sealing.host.calls.index("digest")
    assert sealing.host.files["default", "uid-notes"] == NOTES
    assert (told(sealing) or HeldImage(image="", url="")).reason == ""


async def test_nothing_is_copied_on_a_node_that_cannot_seal_until_it_can(sealing: World) -> None:
    with pytest.raises(NotReady, match="guestfs-tools"):
        await capture.reconcile(sealing.node, KEY)
    assert (told(sealing) or HeldImage(image="", url="")).reason == "SealUnsupported"
    assert COPY not in sealing.host.calls

    install(sealing, "exit 0")
    await capture.reconcile(sealing.node, KEY)

    assert (told(sealing) or HeldImage(image="", url="")).digest


async def test_a_copy_that_cannot_be_sealed_is_not_kept(sealing: World) -> None:
    install(sealing, "echo 'virt-sysprep: error: no operating systems were found'; exit 1")

    with pytest.raises(Retryable, match="no operating systems"):
        await capture.reconcile(sealing.node, KEY)

    assert (told(sealing) or HeldImage(image="", url="")).reason == "SealFailed"
    assert set(sealing.host.files) == {("default", "uid-notes")}


async def test_of_an_agent_that_dies_while_it_seals_no_image_is_left(sealing: World) -> None:
    os.mkfifo(sealing.folder / "begun")
    install(sealing, f"echo >{sealing.folder}/begun; sleep 600")
    task = asyncio.ensure_future(capture.reconcile(sealing.node, KEY))
    await asyncio.to_thread((sealing.folder / "begun").read_text)
    task.cancel()
    await asyncio.wait({task})
    assert ("default", "uid-golden") not in sealing.host.files

    install(sealing, 'echo sealed >"$last"')
    again = sealing.reborn()
    await capture.reconcile(again.node, KEY)
    assert content(again) == "sealed\n"


# --- into the cache -------------------------------------------------------------------------------------------------


def make_order(folder: Path, body: bytes, **changes: Any) -> Order:
    """Take a captured image into the cache."""
    pool, cache = folder / "pool", folder / "cache"
    pool.mkdir()
    cache.mkdir()
    (pool / "golden.qcow2").write_bytes(body)
    return replace(Order(URL, cache, "Disk", images.sha256(body), local=pool / "golden.qcow2"), **changes)


async def test_a_captured_image_is_taken_into_the_cache_under_its_digest(tmp_path: Path) -> None:
    body = images.qcow2(tmp_path)
    given = make_order(tmp_path, body)

    result = await fetch(given, lambda *_: None)

    assert (result.digest, result.format, result.virtual_size) == (images.sha256(body), "qcow2", 4 << 20)
    assert [path.name for path in given.directory.iterdir()] == [result.file]
    assert given.local is not None
    assert given.local.read_bytes() == body


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"checksum": SHA}, "ChecksumMismatch", id="other bytes"),
        pytest.param({"maximum_bytes": 5}, "TooLarge", id="too large"),
    ],
)
async def test_what_is_not_what_was_captured_leaves_nothing(tmp_path: Path, changes: Any, reason: str) -> None:
    given = make_order(tmp_path, images.qcow2(tmp_path), **changes)

    with pytest.raises(Trouble) as caught:
        await fetch(given, lambda *_: None)

    assert caught.value.reason == reason
    assert list(given.directory.iterdir()) == []


async def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(images.RAW)

    assert await digest(tmp_path / "file") == images.sha256(images.RAW)


def test_a_captured_image_is_given_to_no_other_image(world: World) -> None:
    wanted = Wanted("shop/golden", Artifact(url=URL, checksum=SHA), disk=True)
    (world.folder / "abc.qcow2").touch()
    stock = world.node.images._stock
    stock.keep(wanted, Result(SHA, "abc.qcow2", 5))
    assert stock.find(wanted.artifact, disk=True, image="shop/golden")
    assert stock.find(wanted.artifact, disk=True, image="evil/golden") is None


async def test_a_machine_that_starts_from_a_captured_image_has_its_pool_made_ready_first(world: World) -> None:
    image = {"image": "shop/golden", "source": {"url": "volume://other/uid-golden"}}
    world.put(POOL, Key("", "other"), {"spec": POOL_SPEC})
    world.order(disks=[DISK | {"image": image}])

    with pytest.raises(NotReady, match="fetches shop/golden"):
        await world.reconcile()
    await world.bell.wait()

    assert "other" in world.host.pools
    assert world.fetched == ["volume://other/uid-golden"]
