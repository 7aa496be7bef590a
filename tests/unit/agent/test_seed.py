"""Seed disks: what is on them, who may read them, and when they go."""

import io
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pycdlib
import pytest
from tests.support.domains import UID, make_order
from tests.unit.agent.world import World

from drover.agent.seed import Handed, Seeds, disk
from drover.api.cloudinit import SecretKey
from drover.errors import NotReady, Unavailable
from drover.planning.view import DomainView

SECRET = {"name": "boot", "key": "user"}
KEY = SecretKey(name="boot", key="user")
SEED = {"hostname": "web", "userData": {"inline": "#!/bin/sh\ntrue\n"}}
SECRETIVE = {"hostname": "web", "userData": {"secret": SECRET}}


def read(path: Path) -> dict[str, bytes]:
    """Take a seed disk apart, as Linux reads it."""
    image, found = pycdlib.PyCdlib(), {}
    image.open(str(path))
    for child in image.list_children(rr_path="/"):
        if child.is_file():
            content = io.BytesIO()
            name = child.rock_ridge.name().decode()
            image.get_file_from_iso_fp(content, rr_path=f"/{name}")
            found[name] = content.getvalue()
    image.close()
    return found


def seeds(folder: Path, answer: Any = None) -> Seeds:
    """Seeds whose Secrets are answered so."""

    async def answers(_: DomainView) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return Handed(answer or {}, {"boot": "7"})

    return Seeds(folder / "seeds", answers)


def files(folder: Path) -> list[Path]:
    return sorted((folder / "seeds").iterdir())


async def test_a_seed_is_a_disk_that_only_its_owner_can_read(tmp_path: Path) -> None:
    await seeds(tmp_path).write(make_order(seed=SEED))

    (path,) = files(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o711
    assert path.name.startswith(UID)
    found = read(path)
    assert found["user-data"] == b"#!/bin/sh\ntrue\n"
    assert UID in found["meta-data"].decode()


async def test_a_text_from_a_secret_stands_on_the_disk_alone(tmp_path: Path) -> None:
    order = make_order(seed=SECRETIVE)

    await seeds(tmp_path, {KEY: b"#!/bin/sh\nhush\n"}).write(order)

    (path,) = files(tmp_path)
    assert read(path)["user-data"] == b"#!/bin/sh\nhush\n"
    assert "hush" not in str(order)


async def test_metadata_from_a_secret_is_laid_under_ours(tmp_path: Path) -> None:
    seed = {"hostname": "web", "metaData": {"secret": SECRET}}

    await seeds(tmp_path, {KEY: b"dsmode: local\ninstance-id: mine\n"}).write(make_order(seed=seed))

    (path,) = files(tmp_path)
    assert b'"dsmode": "local"' in read(path)["meta-data"]
    assert b"mine" not in read(path)["meta-data"]


async def test_a_secret_that_is_no_yaml_is_named_with_its_line_and_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"userData: Secret boot, key user, line 2: not valid YAML") as caught:
        await seeds(tmp_path, {KEY: b"#cloud-config\nhush: ["}).write(make_order(seed=SECRETIVE))

    assert (caught.value.reason, "hush" in str(caught.value)) == ("InvalidCloudInit", False)
    assert caught.value.delay, "it is read again: nobody tells when it is mended"


async def test_another_seed_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    await seeds(tmp_path).write(make_order(seed=SEED))
    (before,) = files(tmp_path)

    await seeds(tmp_path).write(make_order(seed=SEED | {"hostname": "db"}))

    (after,) = files(tmp_path)
    assert after != before


async def test_a_rotated_secret_applies_at_the_next_start(tmp_path: Path) -> None:
    await seeds(tmp_path, {KEY: b"#!one"}).write(make_order(seed=SECRETIVE))
    await seeds(tmp_path, {KEY: b"#!two"}).write(make_order(seed=SECRETIVE))

    (path,) = files(tmp_path)
    assert read(path)["user-data"] == b"#!two"


async def test_while_nobody_answers_the_seed_of_the_last_start_will_do(tmp_path: Path) -> None:
    silent = seeds(tmp_path, Unavailable("no answer"))
    with pytest.raises(Unavailable):
        await silent.write(make_order(seed=SECRETIVE))
    await seeds(tmp_path, {KEY: b"#!one"}).write(make_order(seed=SECRETIVE))

    assert await silent.write(make_order(seed=SECRETIVE)) == {}

    (path,) = files(tmp_path)
    assert read(path)["user-data"] == b"#!one"


async def test_a_link_in_the_place_of_a_seed_is_not_followed(tmp_path: Path) -> None:
    made = seeds(tmp_path)
    order = make_order(seed=SEED)
    (tmp_path / "seeds").mkdir()
    (tmp_path / "victim").touch()
    assert order.spec.seed is not None
    made.path(UID, order.spec.seed).with_suffix(".part").symlink_to(tmp_path / "victim")

    await made.write(order)

    assert (tmp_path / "victim").read_bytes() == b""
    assert len(files(tmp_path)) == 1


def test_a_disk_is_labelled_as_cloud_init_looks_for_it() -> None:
    assert b"cidata" in disk({"meta-data": b""})[32768:34816]


async def test_a_guest_is_started_with_its_seed_and_takes_it_along(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(seed=SEED)

    await world.reconcile()
    assert world.told.status.state == "Running"
    assert len(files(tmp_path)) == 1
    world.order(powerState="Stopped")
    world.host.listens = True
    await world.reconcile()
    world.bind()
    world.delete(*_domain())
    await world.reconcile()

    assert files(tmp_path) == []


async def test_a_guest_that_is_started_without_a_seed_leaves_none(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.order(seed=SEED)
    await world.reconcile()

    world.host.listens = True
    world.order(seed=None, restartedAt="2")
    await world.reconcile()

    assert (world.told.status.state, files(tmp_path)) == ("Running", [])


async def test_what_a_guest_was_told_is_known_by_version(tmp_path: Path) -> None:
    world = World(tmp_path, secrets={KEY: b"#!/bin/sh"})
    world.order(seed=SECRETIVE)

    await world.reconcile()

    live = world.told.status.live
    assert live is not None
    assert live.secrets == ["boot 7"]
    assert "/bin/sh" not in str(Handed({KEY: b"#!/bin/sh"}))


async def test_a_missing_secret_is_a_condition_that_heals(tmp_path: Path) -> None:
    world = World(tmp_path, secrets=NotReady("there is no Secret boot", reason="SecretNotFound", delay=5.0))
    world.order(seed=SECRETIVE)
    for _ in range(2):
        with pytest.raises(NotReady, match="no Secret boot"):
            await world.reconcile()
        world.pass_time(5.0)
    assert world.condition("VolumesReady") == ("False", "SecretNotFound")

    world.secrets = {KEY: b"#!/bin/sh"}
    await world.reconcile()

    assert world.told.status.state == "Running"


def test_where_a_seed_is_follows_from_what_it_says(tmp_path: Path) -> None:
    made, order = seeds(tmp_path), make_order(seed=SEED)
    assert order.spec.seed is not None
    other = replace(order, spec=make_order(seed=SECRETIVE).spec)

    assert made.path(UID, order.spec.seed) != made.path(UID, other.spec.seed or order.spec.seed)


def _domain() -> Any:
    from tests.unit.agent.world import KEY as DOMAIN_KEY

    from drover.api.kinds import DOMAIN

    return DOMAIN, DOMAIN_KEY
