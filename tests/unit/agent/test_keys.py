"""Encrypted disks of a guest: made and opened by a passphrase that this node keeps nowhere."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.domains import DISK
from tests.unit.agent.test_disks import enlarge
from tests.unit.agent.world import POOL_SPEC, UUID, World

from drover.agent import keys, strays
from drover.api.cloudinit import SecretKey
from drover.api.domain import DomainDisk
from drover.api.kinds import POOL
from drover.errors import NotReady, Retryable
from drover.state.host import Passphrase
from drover.state.resource import Key

REF = {"name": "vault-key", "key": "passphrase"}
SECRET = SecretKey(name="vault-key", key="passphrase")
ENCRYPTED = DISK | {"key": REF}
IMAGE = {"image": "shop/debian", "source": {"url": "http://web/debian.img"}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, secrets={SECRET: b"hush hush\n"})


def rotate(world: World, passphrase: bytes) -> None:
    """Have another passphrase in the Secret."""
    world.secrets = {SECRET: passphrase}


async def running(world: World, *disks: Any) -> World:
    world.order(disks=list(disks) or [ENCRYPTED])
    await world.reconcile()
    return world


async def stopped(world: World) -> None:
    """Have the machine off."""
    world.order(powerState="Stopped")
    world.host.befall(UUID, "Off", "Shutdown")
    await world.reconcile()
    world.order(powerState="Running")


async def stuck(world: World, why: str) -> None:
    """Let the agent run into the same trouble until it is told."""
    for _ in range(2):
        with pytest.raises(Retryable, match=why):
            await world.reconcile()
        world.pass_time(2)


def tries(world: World) -> int:
    return world.host.calls.count("check passphrase")


async def test_a_guest_starts_with_a_disk_that_its_passphrase_opens(world: World) -> None:
    await running(world)

    assert world.host.safe.locks == {"vol-1": Passphrase(b"hush hush")}
    assert (world.host.safe.lendings, world.host.safe.known) == (["vol-1"], {})
    assert (world.host.found[UUID].active, tries(world)) == (True, 0)


@pytest.mark.parametrize(("shared", "made"), [(False, "create encrypted from"), (True, "create whole encrypted from")])
async def test_an_encrypted_disk_starts_from_an_image(world: World, made: str, *, shared: bool) -> None:
    world.put(POOL, Key("", "default"), {"spec": POOL_SPEC | ({"access": "Shared"} if shared else {})})
    world.order(disks=[ENCRYPTED | {"image": IMAGE}])
    with pytest.raises(NotReady, match="the node fetches"):
        await world.reconcile()
    await world.bell.wait()

    await world.reconcile()

    assert any(call.startswith(made) for call in world.host.calls)


async def test_a_missing_secret_is_named_and_nothing_is_made(world: World) -> None:
    world.secrets = NotReady("there is no Secret vault-key in namespace shop", reason="SecretNotFound")
    world.order(disks=[ENCRYPTED])

    await stuck(world, "there is no Secret")

    assert world.condition("VolumesReady") == ("False", "SecretNotFound")
    assert (world.host.files, world.host.found) == ({}, {})
    rotate(world, b"hush hush")
    await world.reconcile()
    assert world.host.found[UUID].active


async def test_another_passphrase_opens_nothing_and_is_not_tried_all_the_time(world: World) -> None:
    await running(world)
    await stopped(world)
    rotate(world, b"another one")

    await stuck(world, "does not open volume web.root")

    assert world.condition("VolumesReady") == ("False", "WrongKey")
    assert (world.host.found[UUID].active, tries(world)) == (False, 1)
    world.pass_time(keys.WRONG_SECONDS)
    await stuck(world, "does not open")
    assert tries(world) == 2
    rotate(world, b"hush hush")
    await world.reconcile()
    assert world.host.found[UUID].active


async def test_a_running_guest_takes_no_notice_of_another_passphrase(world: World) -> None:
    await running(world)
    rotate(world, b"another one")
    await world.reconcile()

    assert world.host.found[UUID].active
    assert tries(world) == 0


async def test_an_agent_that_was_restarted_tries_a_passphrase_once(world: World) -> None:
    await running(world)
    reborn = world.reborn(secrets=world.secrets)
    for _ in range(2):
        await stopped(reborn)
        await reborn.reconcile()

    assert (reborn.host.found[UUID].active, tries(reborn)) == (True, 1)


async def test_saved_memory_is_not_spent_on_a_passphrase_that_opens_nothing(world: World) -> None:
    await running(world)
    world.order(powerState="Hibernated")
    await world.reconcile()
    world.order(powerState="Running")
    rotate(world, b"another one")

    await stuck(world, "does not open")

    assert world.host.found[UUID].has_managed_save
    rotate(world, b"hush hush")
    await world.reconcile()
    assert (world.host.found[UUID].active, world.host.safe.known) == (True, {})
    assert world.host.safe.lendings == ["vol-1", "vol-1"]


async def test_a_start_that_fails_has_the_passphrase_tried_again(world: World) -> None:
    world.host.fails["launch"] = Retryable("QEMU says no", reason="StartFailed")
    world.order(disks=[ENCRYPTED])

    with pytest.raises(Retryable, match="QEMU says no"):
        await world.reconcile()
    await world.reconcile()

    assert tries(world) == 1


async def test_data_that_are_not_encrypted_although_that_was_ordered_are_not_used(world: World) -> None:
    await running(world, DISK)
    await stopped(world)
    world.order(disks=[ENCRYPTED])

    await stuck(world, "disk root: its file is not encrypted")

    assert world.condition("VolumesReady") == ("False", "NotEncrypted")


async def test_an_encrypted_disk_grows_while_its_guest_is_off(world: World) -> None:
    await running(world)
    await stopped(world)
    enlarge(world, 2 << 30)
    await world.reconcile()

    assert world.host.files["default", "vol-1"].capacity_bytes == 2 << 30
    assert "grow encrypted" in world.host.calls


async def test_an_encrypted_file_that_went_while_it_was_to_grow_is_told_as_lost(world: World) -> None:
    await running(world)
    world.host.files.clear()
    disk = DomainDisk.model_validate(ENCRYPTED)

    with pytest.raises(NotReady, match="is not there"):
        await world.node.keys.grow(world.told, disk, 2 << 30)


async def test_an_encrypted_disk_is_plugged_in_while_the_guest_runs(world: World) -> None:
    await running(world, DISK)
    more = ENCRYPTED | {"name": "data", "volume": "web.data", "volumeUid": "vol-2"}
    world.order(disks=[DISK, more])
    for _ in range(2):
        await world.reconcile()

    assert "data" in world.host.plugged
    assert (world.host.safe.lendings, world.host.safe.known) == (["vol-2"], {})


async def test_what_a_dead_agent_lent_is_taken_back(world: World) -> None:
    world.host.safe.known["vol-9"] = Passphrase(b"left behind")

    await strays.look(world.node, {})

    assert world.host.safe.known == {}
