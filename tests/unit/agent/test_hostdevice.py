"""Devices of the node for guests: chosen at the start, written down with it, and given to nobody else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.domains import make_spec
from tests.unit.agent.world import KEY, UUID, World
from tests.unit.hypervisor.test_hostdevice import GPU, ROOT, Sys, plug

from drover.agent.hypervisor import Hypervisors, News
from drover.api.kinds import HYPERVISOR
from drover.errors import NotReady, Unavailable
from drover.state.hostdevice import Claim, DeviceModel, Offer
from drover.state.resource import Key

CARDS = "nvidia.com/GA102"
OFFERS = (Offer(CARDS, DeviceModel("10de", "2204")),)
SECOND = "0000:02:00.0"
HARDWARE = {"cores": 1, "memoryBytes": 1 << 27, "devices": [{"name": "gpu", "resource": CARDS}]}
OTHER = Key("shop", "db-1")
OTHERS = make_spec().uuid[:-1] + "9"


@pytest.fixture
def world(tmp_path: Path) -> World:
    Sys(tmp_path / "sys")
    return World(tmp_path, offers=OFFERS)


def order(world: World, key: Key = KEY, **spec: Any) -> None:
    """Order a guest that asks for a card and has nothing else."""
    world.order(key=key, machine=HARDWARE, disks=[], interfaces=[], **spec)


def order_another(world: World) -> None:
    """Order a second guest like it."""
    order(world, OTHER, uuid=OTHERS, virtualMachine={"name": "db", "uid": OTHERS})


async def run(world: World, key: Key = KEY) -> None:
    """Let the agent look until the guest runs."""
    for _ in range(3):
        await world.reconcile(key)


async def test_a_start_gets_a_card_and_says_which(world: World) -> None:
    order(world)
    await run(world)

    assert world.host.given[UUID] == ((GPU, "gpu"),)
    live = world.host.found[UUID].record.live
    assert live is not None
    assert live.devices == [f"gpu {CARDS} {GPU}"]


async def test_a_guest_that_is_started_again_has_the_card_it_had(world: World) -> None:
    order(world)
    await run(world)
    add_card(world, "0000:00:00.0")
    world.host.befall(UUID, "Off", "Destroyed")
    await run(world)
    world.pass_time(60.0)
    await run(world)

    assert (world.host.found[UUID].state, world.host.given[UUID]) == ("Running", ((GPU, "gpu"),))


def add_card(world: World, address: str) -> None:
    """Plug another card into the node."""
    plug(
        world.folder / "sys",
        address,
        f"devices/pci0000:00/{address}",
        "0x10de",
        "0x2204",
        "0x030000",
        "nvidia",
        group=7,
    )


async def test_of_two_guests_that_start_at_once_each_gets_its_own(world: World) -> None:
    add_card(world, SECOND)
    order(world)
    order_another(world)
    await asyncio.gather(run(world), run(world, OTHER))

    assert {world.host.given[uuid] for uuid in (UUID, OTHERS)} == {((GPU, "gpu"),), ((SECOND, "gpu"),)}


async def test_a_guest_for_which_none_is_left_waits_and_is_told_who_has_it(world: World) -> None:
    order(world)
    await run(world)
    order_another(world)
    with pytest.raises(NotReady, match=f"{GPU} is in use by shop/web") as error:
        await run(world, OTHER)

    assert error.value.reason == "DeviceUnavailable"
    assert OTHERS not in world.host.found


async def test_what_a_strangers_guest_has_is_taken(world: World) -> None:
    world.host.claims = (Claim("foreign", "mine", ours=False, holds=True, devices=((GPU, ""),)),)
    order(world)
    with pytest.raises(NotReady, match=f"{GPU} is in use by mine"):
        await run(world)


async def test_a_node_without_an_iommu_says_so(world: World) -> None:
    for path in (f"{ROOT}/{GPU}", ROOT):
        (world.folder / "sys" / path / "iommu_group").unlink()
    order(world)
    with pytest.raises(NotReady, match="no IOMMU") as error:
        await run(world)

    assert error.value.reason == "Unsupported"


async def test_a_guest_without_devices_costs_no_look(world: World) -> None:
    world.order(disks=[], interfaces=[])
    await run(world)

    assert "device_claims" not in world.host.calls


async def test_the_hypervisor_tells_of_devices_and_keeps_its_word_while_libvirt_is_away(world: World) -> None:
    order(world)
    await run(world)
    hypervisors = Hypervisors(world.node, world.caches.store(HYPERVISOR), News())
    found = await hypervisors._devices()
    world.host.fails["device_claims"] = Unavailable("gone")

    assert [(each.address, each.obstacle("x")) for each in found or ()] == [(GPU, f"{GPU} is in use by shop/web")]
    assert await hypervisors._devices() is None
    assert await World(world.folder).node.devices.units() == ()
