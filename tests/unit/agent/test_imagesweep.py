"""Looking for images that nobody on the node needs."""

import threading
from pathlib import Path
from typing import Any

import pytest
from tests.support.fake_libvirt import make_error
from tests.unit.agent import images
from tests.unit.agent.world import World

import libvirt
from drover.agent import imagesweep
from drover.api.domain import Artifact
from drover.errors import NotReady
from drover.hypervisor import imageuse
from drover.planning.imagecache import Rules

NAME = f"{'d' * 64}.qcow2"
DIGEST = "d" * 64


def cached(world: World) -> Path:
    """A file of the cache that would go at once."""
    world.node.images.rules = Rules(unused_seconds=0.0)
    path = world.folder / NAME
    path.touch()
    return path


async def test_what_nobody_needs_is_deleted(tmp_path: Path) -> None:
    world = World(tmp_path)
    file = cached(world)

    await imagesweep.sweep(world.node)

    assert not file.exists()


def left(folder: Path) -> list[str]:
    """What is left of the file, under whatever name."""
    return [path.name for path in folder.iterdir() if DIGEST in path.name]


async def test_room_is_freed_by_no_thread_that_serves_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, unlink, threads = World(tmp_path), Path.unlink, []

    def seen(path: Path, *, missing_ok: bool = False) -> None:
        threads.append(threading.current_thread())
        unlink(path, missing_ok=missing_ok)

    cached(world)
    monkeypatch.setattr(Path, "unlink", seen)
    await imagesweep.sweep(world.node)

    assert len(threads) == 1
    assert threading.main_thread() not in threads
    assert left(tmp_path) == []


async def test_what_a_volume_names_stays(tmp_path: Path) -> None:
    world = World(tmp_path)
    file = cached(world)
    world.host.named = frozenset({DIGEST})

    await imagesweep.sweep(world.node)

    assert file.exists()


async def test_nothing_goes_before_the_api_server_was_read(tmp_path: Path) -> None:
    world = World(tmp_path, primed=False)
    file = cached(world)

    await imagesweep.sweep(world.node)

    assert file.exists()


async def test_nothing_goes_while_the_volumes_cannot_be_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    file = cached(world)
    world.host.fails["named_images"] = NotReady("a pool is not active", reason="PoolUnknown")

    with pytest.raises(NotReady):
        await imagesweep.sweep(world.node)

    assert file.exists()


def test_the_files_that_a_domain_names_are_known(tmp_path: Path) -> None:
    world = World(tmp_path)
    disk = {"name": "root", "volume": "web.root", "volumeUid": "u", "pool": "default"}
    image = {"image": "shop/debian", "source": {"url": "http://web/disk"}}
    kernel = {"image": "shop/tiny", "kernel": {"url": "http://web/k"}, "initrd": {"url": "http://web/i"}}
    disc = {"image": "shop/disc", "source": {"url": "http://web/cd", "type": "ISO"}}
    world.order(disks=[{**disk, "image": image}], media=[{"name": "cd", "image": disc}, {"name": "no"}], kernel=kernel)

    named = set(imagesweep.ordered(world.node))

    expected = [("disk", True), ("disk", False), ("k", False), ("i", False)]
    files = {(Artifact(url=f"http://web/{name}"), disk) for name, disk in expected}
    assert named == {*files, (Artifact(url="http://web/cd", type="ISO"), False)}


def make_overlay(folder: Path, image: str) -> Path:
    """A volume's file on top of an image."""
    path = folder / "volume.qcow2"
    path.write_bytes(images.qcow2(folder, "-u", "-b", f"/images/{image}", "-F", "qcow2"))
    return path


@pytest.mark.parametrize(("image", "found"), [(NAME, {DIGEST}), ("other.qcow2", set())])
def test_a_volume_rests_on_what_its_header_names(tmp_path: Path, image: str, found: set[str]) -> None:
    assert imageuse.rests_on(make_overlay(tmp_path, image)) == found


@pytest.mark.parametrize("make", [Path.mkdir, lambda _: None], ids=["a folder", "nothing"])
def test_what_is_no_file_rests_on_nothing(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "volume")
    assert imageuse.rests_on(tmp_path / "volume") == frozenset()
    assert imageuse.rests_on(Path("rbd/volume")) == frozenset()


class Storage:
    """A pool of libvirt's."""

    def __init__(self, *paths: Path, name: str = "drover-default", active: bool = True, kind: str = "dir") -> None:
        self.paths, self.kept, self.active, self.kind = paths, name, active, kind

    def XMLDesc(self) -> str:  # noqa: N802
        return f"<pool type='{self.kind}'/>"

    def name(self) -> str:
        return self.kept

    def isActive(self) -> bool:  # noqa: N802
        return self.active

    def refresh(self) -> None:
        """Read the directory anew."""

    def listAllVolumes(self) -> list[Any]:  # noqa: N802
        return [Volume(path) for path in self.paths]


class Volume:
    """A volume of it."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def path(self) -> str:
        return str(self.place)


class Saved:
    """A guest whose memory is on disk, started from a kernel that its definition names no more."""

    def XMLDesc(self, flags: int = 0) -> str:  # noqa: N802
        return f"<kernel>/images/{'e' * 64}</kernel>" if flags else "<domain/>"

    def hasManagedSaveImage(self) -> bool:  # noqa: N802
        return True

    def managedSaveGetXMLDesc(self) -> str:  # noqa: N802
        return f"<initrd>/images/{'f' * 64}</initrd>"

    def listAllSnapshots(self) -> list[Any]:  # noqa: N802
        raise make_error(libvirt.VIR_ERR_NO_DOMAIN)


class Connection:
    """libvirt with one guest and these pools."""

    def __init__(self, *pools: Storage) -> None:
        self.pools = pools

    def listAllDomains(self) -> list[Any]:  # noqa: N802
        return [Saved()]

    def listAllStoragePools(self) -> list[Any]:  # noqa: N802
        return list(self.pools)


def test_guests_and_volumes_are_asked_what_they_rest_on(tmp_path: Path) -> None:
    foreign = Storage(active=False, name="somebodys")
    devices = Storage(active=False, kind="logical")
    connection: Any = Connection(Storage(make_overlay(tmp_path, NAME)), foreign, devices)

    assert imageuse.named(connection) == {DIGEST, "e" * 64, "f" * 64}


def test_of_a_pool_that_is_not_active_nothing_is_known() -> None:
    connection: Any = Connection(Storage(active=False))

    with pytest.raises(NotReady, match="not active"):
        imageuse.named(connection)
