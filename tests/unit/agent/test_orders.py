"""What is ordered of the node, also while the API server does not answer."""

from pathlib import Path

import pytest
from tests.support.domains import DISK, NIC
from tests.unit.agent.world import KEY, UUID, World

from drover.agent.lastview import LastView
from drover.api.kinds import DOMAIN, NETWORK, POOL, VOLUME
from drover.state.objects import read_domain
from drover.state.resource import Key

VOLUME_KEY = Key("shop", "web.root")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.order()
    return world


def test_a_guest_is_found_by_its_uuid_and_a_volume_by_its_users(world: World) -> None:
    orders = world.node.orders

    assert (orders.speaks_for(UUID), orders.users(VOLUME_KEY)) == (KEY, frozenset({KEY}))
    assert (orders.epochs(), orders.plugged_into("default")) == ({UUID: 1}, frozenset({NIC["mac"]}))


def test_what_a_domain_named_before_is_forgotten_when_it_names_something_else(world: World) -> None:
    world.order(disks=[{**DISK, "volume": "web.data"}], interfaces=[])

    orders = world.node.orders
    assert (orders.users(VOLUME_KEY), orders.plugged_into("default")) == (frozenset(), frozenset())
    assert orders.users(Key("shop", "web.data")) == {KEY}


def test_a_domain_that_is_gone_speaks_for_nobody(world: World) -> None:
    world.etcd.drop(DOMAIN, KEY)
    world.caches.hear()

    assert (world.node.orders.speaks_for(UUID), world.node.orders.epochs()) == (None, {})


def test_the_last_view_of_this_boot_is_used_until_the_api_answers(world: World) -> None:
    early = world.reborn(primed=False).node.orders

    domain, pool, network = early.domain(KEY), early.pool("default"), early.network("default")
    assert domain is not None
    assert domain.spec.uuid == UUID
    assert pool is not None
    assert network is not None
    assert (early.primed, early.speaks_for(UUID)) == (False, KEY)


def test_the_last_view_of_another_boot_is_not_used(world: World) -> None:
    assert list(world.reborn(boot_id="boot-2", primed=False).node.orders.keys(DOMAIN)) == []


def test_what_vanished_during_the_outage_is_dropped_when_the_api_was_read(world: World) -> None:
    again = world.reborn(primed=False)
    world.etcd.drop(DOMAIN, KEY)
    again.caches.hear()
    again.node.orders.settle()

    assert (again.node.orders.domain(KEY), again.node.orders.speaks_for(UUID)) == (None, None)
    assert list(world.reborn(primed=False).node.orders.keys(DOMAIN)) == []


def test_a_change_of_the_status_alone_is_not_written_to_disk(world: World) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.folder.glob("view/domains/*")}
    world.put(DOMAIN, KEY, {"status": {"state": "Running"}})

    assert {path: path.stat().st_mtime_ns for path in world.folder.glob("view/domains/*")} == before


OTHER_VERSION = (
    '{"bootID": "boot-1", "object": {"metadata": {"name": "web-1", "namespace": "shop"}, "spec": {"new": 1}}}'
)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"bootID": "boot-1"}', OTHER_VERSION])
def test_a_view_that_cannot_be_read_is_as_none(world: World, content: str) -> None:
    (path,) = world.folder.glob("view/domains/*")
    path.write_text(content)

    assert list(LastView(world.folder / "view", "boot-1").load(DOMAIN, read_domain)) == []


def test_keys_of_every_kind_are_known(world: World) -> None:
    world.bind()

    assert [list(world.node.orders.keys(kind)) for kind in (DOMAIN, VOLUME, POOL, NETWORK)] == [
        [KEY],
        [VOLUME_KEY],
        [Key("", "default")],
        [Key("", "default")],
    ]
