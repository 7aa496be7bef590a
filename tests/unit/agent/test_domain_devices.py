"""The hardware of a guest in flight: changed as ordered, written down, and never beyond what the node has."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.domains import DISK, NIC, UID
from tests.support.fake_host import FACTS, QEMU
from tests.unit.agent.world import World

from drover.agent import domain
from drover.errors import NotReady, Retryable

DATA = {"name": "data", "volume": "web.data", "volumeUid": "vol-2", "pool": "default", "sizeBytes": 1 << 30}
MORE = {"name": "more", "network": "default", "mac": "02:00:00:00:00:02", "ip": "10.20.0.11"}
IMAGE = {"image": "shop/disc", "source": {"url": "http://web/disc"}}
ROOMY = {"cores": 1, "maxCores": 4, "memoryBytes": 1 << 27, "maxMemoryBytes": 1 << 29}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def settle(world: World) -> None:
    """Let the agent look until it has nothing to wait for."""
    for _ in range(5):
        with suppress(Retryable):
            await world.reconcile()
        for _ in range(10):
            await asyncio.sleep(0)
        world.pass_time(60.0)


async def changed(world: World, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Start a guest one way, order another, and give what was done to it."""
    world.order(**before)
    await settle(world)
    world.order(**after)
    await settle(world)
    return world.host.plugged


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({"machine": ROOMY}, {"machine": ROOMY | {"cores": 2}}, {"cores": 2}, id="cores"),
        pytest.param({"machine": ROOMY}, {"machine": ROOMY | {"memoryBytes": 1 << 28}}, {"memory": 1 << 28}, id="ram"),
        pytest.param({}, {"disks": [DISK, DATA]}, {"data": ("/pool/vol-2.qcow2", "vdb")}, id="a disk more"),
        pytest.param({"disks": [DISK, DATA]}, {"disks": [DISK]}, {"data": None}, id="a disk less"),
        pytest.param({}, {"disks": [DISK | {"sizeBytes": 2 << 30}]}, {"root": 2 << 30}, id="a larger disk"),
        pytest.param({"media": [{"name": "cd"}]}, {"media": [{"name": "cd"}]}, {}, id="nothing"),
        pytest.param({}, {"interfaces": [NIC, MORE]}, {"more": MORE["mac"]}, id="an interface more"),
        pytest.param({"interfaces": [NIC, MORE]}, {"interfaces": [NIC]}, {"more": None}, id="an interface less"),
    ],
)
async def test_a_guest_in_flight_gets_what_is_ordered(
    world: World, before: dict[str, Any], after: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert await changed(world, before, after) == expected
    assert world.told.status.state == "Running"
    assert world.host.boots == 1


async def test_a_disc_is_fetched_and_put_into_its_drive(world: World) -> None:
    plugged = await changed(world, {"media": [{"name": "cd"}]}, {"media": [{"name": "cd", "image": IMAGE}]})

    assert world.fetched == ["http://web/disc"]
    assert str(plugged["cd"]).startswith(str(world.folder))


async def test_bounds_reach_the_disk(world: World) -> None:
    plugged = await changed(world, {}, {"disks": [DISK | {"hardware": {"limits": {"iops": 9}}}]})

    assert plugged["root limits"].iops == 9


async def test_what_the_guest_holds_on_to_is_asked_for_again(world: World) -> None:
    await changed(world, {"disks": [DISK, DATA]}, {"disks": [DISK, DATA]})
    world.order(disks=[DISK])
    for _ in range(2):
        world.host.fails["plug data"] = NotReady("held", reason="Unplugging", delay=2.0)
        with pytest.raises(NotReady):
            await world.reconcile()
        world.pass_time(2)
    assert [world.condition(each) for each in ("VolumesReady", "Running")] == [
        ("True", "Ready"),
        ("True", "Unplugging"),
    ]

    await settle(world)
    assert world.host.plugged == {"data": None}


WOULD_NOT = Retryable("QEMU would not", reason="HotPlugFailed")


@pytest.mark.parametrize(
    ("broken", "path", "reason"),
    [
        pytest.param("plug data", "spec.disks[data]", "HotPlugFailed", id="a disk"),
        pytest.param("plug more", "spec.interfaces[more]", "HotPlugFailed", id="an interface"),
        pytest.param("plug cores", "spec.cpu.cores", "HotPlugFailed", id="cores"),
        pytest.param("plug cd", "spec.disks[cd]", "HotPlugFailed", id="a drive"),
        pytest.param("set_link Down", "spec.interfaces", "HotPlugFailed", id="a cable"),
    ],
)
async def test_what_cannot_be_changed_holds_up_nothing_else_and_is_told(
    world: World, broken: str, path: str, reason: str
) -> None:
    world.host.broken[broken] = WOULD_NOT
    before = {"machine": ROOMY, "media": [{"name": "cd", "image": IMAGE}]}
    every = {"disks": [DISK, DATA], "interfaces": [NIC | {"link": "Down"}, MORE], "media": [{"name": "cd"}]}
    plugged = await changed(world, before, every | {"machine": ROOMY | {"cores": 2, "memoryBytes": 1 << 28}})

    assert {"cores", "memory", "data", "cd", "more"} - set(plugged) == {broken.removeprefix("plug ")} - {
        "set_link Down"
    }
    assert ("set_link Down" in world.host.calls, world.told.status.state) == (True, "Running")
    assert [(each.path, each.message) for each in world.told.status.obstacles or ()] == [(path, "QEMU would not")]
    assert reason in {each.reason for each in world.told.status.conditions or ()}
    world.host.broken.clear()
    await settle(world)
    assert world.told.status.obstacles is None


async def test_a_guest_that_lacks_a_disk_can_be_paused(world: World) -> None:
    world.host.broken["plug data"] = WOULD_NOT

    await changed(world, {}, {"disks": [DISK, DATA], "powerState": "Paused"})

    assert world.told.status.state == "Paused"


async def test_more_changes_than_one_look_makes_are_made_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.order()
    await settle(world)
    monkeypatch.setattr(domain, "ROUNDS", 1)
    world.order(disks=[DISK, DATA], interfaces=[NIC, MORE])

    assert await world.reconcile() == domain.REST_SECONDS
    for _ in range(9):
        await world.reconcile()

    assert set(world.host.plugged) == {"data", "more"}


async def killed(world: World, what: str) -> World:
    """Have the agent die right after it plugged something in or out, and start it again."""
    world.host.dies = what
    with pytest.raises(asyncio.CancelledError):
        await settle(world)
    return world.reborn()


@pytest.mark.parametrize(
    ("before", "meant", "device"),
    [
        pytest.param({}, {"disks": [DISK, DATA]}, "data", id="a disk more"),
        pytest.param({"disks": [DISK, DATA]}, {"disks": [DISK]}, "data", id="a disk less"),
        pytest.param({}, {"interfaces": [NIC, MORE]}, "more", id="an interface more"),
        pytest.param({"interfaces": [NIC, MORE]}, {"interfaces": [NIC]}, "more", id="an interface less"),
    ],
)
async def test_what_was_under_way_when_the_agent_died_ends_as_it_is_ordered_by_then(
    world: World, before: dict[str, Any], meant: dict[str, Any], device: str
) -> None:
    plain: dict[str, Any] = {"disks": [DISK], "interfaces": [NIC]}
    await changed(world, plain | before, plain | before)
    world.order(**plain | meant)
    again = await killed(world, device)
    again.order(**plain | before)
    await settle(again)

    assert (again.host.plugged[device] is not None) == (before != {})
    live = again.told.status.live
    assert live is not None
    assert (device in str(live.disks + live.interfaces), live.changing) == (before != {}, {})


async def test_a_disk_under_the_name_of_one_that_was_being_plugged_in_takes_its_place(world: World) -> None:
    await changed(world, {}, {})
    world.order(disks=[DISK, DATA])
    again = await killed(world, "data")
    again.host.calls.clear()
    again.order(disks=[DISK, DATA | {"volume": "web.other", "volumeUid": "vol-3"}])
    await settle(again)

    assert again.host.plugged == {"data": ("/pool/vol-3.qcow2", "vdb")}
    assert again.host.calls.count("plug data") == 2


async def test_the_api_knows_of_a_disk_before_the_guest_has_it(world: World) -> None:
    await changed(world, {}, {})
    world.order(disks=[DISK, DATA])
    again = await killed(world, "data")

    live = again.told.status.live
    assert live is not None
    assert live.changing == {"spec.disks[data]": "Plugging"}
    assert "web.data" in str(live.disks)


async def test_a_node_that_lacks_something_says_so_and_starts_when_it_has_it(world: World) -> None:
    world.order(machine={"cores": 1, "memoryBytes": 1 << 27, "firmware": "UEFI"})
    with pytest.raises(NotReady, match="no UEFI firmware for amd64"):
        await world.reconcile()
    assert "facts afresh" in world.host.calls

    world.host.able = replace(FACTS, guests=(replace(QEMU, firmware=frozenset({"BIOS", "UEFI"})),))
    await settle(world)
    assert world.told.status.state == "Running"


async def test_what_a_node_lacks_for_the_next_start_is_told_until_it_has_it(world: World) -> None:
    await changed(world, {}, {"machine": {"cores": 1, "memoryBytes": 1 << 27, "graphics": "SPICE"}})
    lacking = {each.path: each.message for each in world.told.status.lacking or ()}
    assert lacking == {"spec.graphics": "this node has no graphics SPICE"}
    assert (world.told.status.state, world.host.boots) == ("Running", 1)

    world.host.able = replace(FACTS, guests=(replace(QEMU, graphics=frozenset({"VNC", "SPICE", "Headless"})),))
    await settle(world)
    assert world.told.status.lacking is None


async def test_the_board_of_the_first_start_is_kept(world: World) -> None:
    await changed(world, {}, {})
    assert (world.told.status.machine_type, world.told.status.architecture) == ("pc-q35-7.2", "amd64")

    newer = replace(QEMU, machine="pc-q35-9.9", machines=QEMU.machines | {"pc-q35-9.9"})
    world.host.able = replace(FACTS, guests=(newer,))
    world.host.befall(UID, "Off", "Shutdown")
    await settle(world)
    assert world.told.status.machine_type == "pc-q35-7.2"


async def test_an_ephemeral_disk_is_new_after_a_stop(world: World) -> None:
    disk = DISK | {"hardware": {"ephemeral": "Enabled"}}
    await changed(world, {"disks": [disk]}, {"disks": [disk], "powerState": "Stopped"})
    world.host.befall(UID, "Off", "Shutdown")
    await settle(world)

    assert world.host.files == {}
    assert [fact.ready for fact in world.told.status.volumes or ()] == [False]
