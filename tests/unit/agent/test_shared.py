"""Volumes, pools and networks of the node, and the guests that nobody speaks for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.agent.world import KEY, POOL_SPEC, UUID, World

from drover.agent import hypervisor, network, pool, strays, volume
from drover.agent.hypervisor import Hypervisors, News
from drover.agent.queues import make_queues
from drover.api.kinds import CRD, DOMAIN, HYPERVISOR, NETWORK, POOL, VOLUME
from drover.errors import NotReady
from drover.state.host import Export, VolumeFile
from drover.state.objects import read_hypervisor
from drover.state.resource import Key

DEFAULT = Key("", "default")
VOLUME_KEY = Key("shop", "web.root")
FILE = VolumeFile("/pool/vol-1.qcow2", 1 << 30, 1 << 20)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# --- volumes ----------------------------------------------------------------------------------------------------------


def bound_and_deleted(world: World) -> World:
    world.host.files["default", "vol-1"] = FILE
    world.bind(capacity="1Gi")
    world.delete(VOLUME, VOLUME_KEY)
    return world


async def test_a_deleted_volume_is_deleted_with_its_data(world: World) -> None:
    await volume.reconcile(bound_and_deleted(world).node, VOLUME_KEY)

    assert (world.host.files, (VOLUME, VOLUME_KEY) in world.etcd.objects) == ({}, False)


async def test_a_volume_that_a_domain_names_is_kept_until_the_domain_is_gone(world: World) -> None:
    world.order()
    await volume.reconcile(bound_and_deleted(world).node, VOLUME_KEY)
    assert len(world.host.files) == 1

    world.etcd.drop(DOMAIN, KEY)
    world.caches.hear()
    await volume.reconcile(world.node, VOLUME_KEY)
    assert world.host.files == {}


async def test_a_volume_whose_definition_goes_is_let_go_with_its_data_kept(world: World) -> None:
    bound_and_deleted(world)
    world.etcd.drop(CRD, Key("", "storagevolumes.drover.dev"))

    await volume.reconcile(world.node, VOLUME_KEY)

    assert (len(world.host.files), (VOLUME, VOLUME_KEY) in world.etcd.objects) == (1, False)


async def test_a_volume_that_is_wanted_or_unknown_is_left_alone(world: World) -> None:
    world.host.files["default", "vol-1"] = FILE
    world.bind()
    await volume.reconcile(world.node, VOLUME_KEY)
    await volume.reconcile(world.node, Key("shop", "unknown"))

    assert len(world.host.files) == 1


async def test_nothing_is_deleted_on_the_word_of_the_last_view(world: World) -> None:
    bound_and_deleted(world)
    early = world.reborn(primed=False)
    await volume.reconcile(early.node, VOLUME_KEY)

    assert len(world.host.files) == 1


# --- pools and networks -----------------------------------------------------------------------------------------------


async def test_what_every_node_has_is_made_beforehand(world: World) -> None:
    assert (await pool.reconcile(world.node, DEFAULT), await network.reconcile(world.node, DEFAULT)) == (60.0, 60.0)
    assert (list(world.host.pools), list(world.host.networks)) == (["default"], ["default"])


async def test_what_some_nodes_have_is_made_when_a_machine_needs_it(world: World) -> None:
    world.put(POOL, Key("", "fast"), {"spec": {**POOL_SPEC, "nodeSelector": {"disk": "nvme"}}})

    assert await pool.reconcile(world.node, Key("", "fast")) is None
    await pool.ensure(world.node, "fast")
    assert await pool.reconcile(world.node, Key("", "fast")) == 60.0


async def test_what_a_server_lends_is_mounted_in_a_folder_of_the_agents_own(world: World) -> None:
    files = Key("", "files")
    world.put(POOL, files, {"spec": {"type": "NFS", "nfs": {"server": "s", "path": "/export"}}})

    await pool.reconcile(world.node, files)

    assert f"ensure_pool of {Export('s', '/export')}" in world.host.calls
    assert world.host.pools["files"].path == str(world.folder / "mounts" / "files")
    assert pool.is_shared(world.node, "files")


async def test_what_is_gone_is_taken_down(world: World) -> None:
    await test_what_every_node_has_is_made_beforehand(world)
    for kind in (POOL, NETWORK):
        world.etcd.drop(kind, DEFAULT)
    world.caches.hear()

    await pool.reconcile(world.node, DEFAULT)
    await network.reconcile(world.node, DEFAULT)

    assert (world.host.pools, world.host.networks) == ({}, {})
    assert (world.node.shared.pools, world.node.shared.networks) == ({"default": None}, {"default": None})


async def test_a_pool_that_is_gone_is_known_until_the_last_file_is_gone_too(world: World) -> None:
    await pool.reconcile(world.node, DEFAULT)
    world.host.files["default", "uid-kept"] = FILE
    world.etcd.drop(POOL, DEFAULT)
    world.caches.hear()
    assert (await pool.reconcile(world.node, DEFAULT), list(world.host.pools)) == (60.0, ["default"])

    world.host.files.clear()
    assert (await pool.reconcile(world.node, DEFAULT), list(world.host.pools)) == (None, [])


async def test_nothing_is_taken_down_before_the_api_was_read(world: World) -> None:
    await test_what_every_node_has_is_made_beforehand(world)
    early = world.reborn(primed=False)
    await network.reconcile(early.node, Key("", "unknown"))

    assert "remove_network" not in world.host.calls


async def test_reservations_of_interfaces_that_nobody_has_are_forgotten(world: World) -> None:
    world.order()
    await world.reconcile()
    world.order(interfaces=[])
    await network.reconcile(world.node, DEFAULT)
    assert len(world.host.leases) == 1, "the guest in flight still has it"

    world.host.befall(UUID, "Off", "Shutdown")
    await world.reconcile()
    await network.reconcile(world.node, DEFAULT)
    assert len(world.host.leases) == 1, "it may be that of a guest which nobody speaks for"

    await world.node.survey.look()
    await network.reconcile(world.node, DEFAULT)
    assert world.host.leases == {}


async def test_what_some_nodes_have_is_known_again_after_a_restart(world: World) -> None:
    world.put(POOL, Key("", "fast"), {"spec": {**POOL_SPEC, "nodeSelector": {"disk": "nvme"}}})
    await pool.ensure(world.node, "fast")

    assert await pool.reconcile(world.reborn().node, Key("", "fast")) == 60.0


async def test_what_was_deleted_while_no_agent_was_there_is_taken_down(world: World) -> None:
    await test_what_every_node_has_is_made_beforehand(world)
    for kind in (POOL, NETWORK):
        world.etcd.drop(kind, DEFAULT)
    again = world.reborn()
    queues = make_queues(again.node, again.caches)  # type: ignore[arg-type]

    await strays.look(again.node, queues)

    assert [queues[kind].queue.take() for kind in (POOL, NETWORK)] == [DEFAULT, DEFAULT]


async def test_what_is_ordered_or_may_be_is_no_stray(world: World) -> None:
    await test_what_every_node_has_is_made_beforehand(world)
    for node in (world.node, world.reborn(primed=False).node):
        queues = make_queues(node, world.caches)  # type: ignore[arg-type]
        await strays.look(node, queues)

        assert [queues[kind].queue.take() for kind in (POOL, NETWORK)] == [None, None]


async def test_trouble_with_a_pool_or_a_network_is_kept_for_the_report(world: World) -> None:
    for verb in ("ensure_pool", "ensure_network"):
        world.host.fails[verb] = NotReady("no such directory")
    for reconcile in (pool.reconcile, network.reconcile):
        with pytest.raises(NotReady):
            await reconcile(world.node, DEFAULT)

    told = (world.node.shared.pools["default"], world.node.shared.networks["default"])
    assert [each.trouble for each in told if each] == ["no such directory", "no such directory"]


# --- the survey and the hypervisor ------------------------------------------------------------------------------------


async def test_the_survey_wakes_the_domain_of_a_guest_that_changed_unheard(world: World) -> None:
    world.order()
    await world.reconcile()
    await world.node.survey.look()
    assert world.woken == []

    world.host.found[UUID] = replace(world.host.found[UUID], state="Off", reason="Destroyed")
    await world.node.survey.look()

    assert world.woken == [KEY]


async def test_another_guest_of_the_same_name_is_in_the_way(world: World) -> None:
    world.order()
    await world.reconcile()
    world.etcd.drop(DOMAIN, KEY)
    world.order(uuid="another", virtualMachine={"name": "web", "uid": "another"})

    await world.reconcile()
    world.pass_time(2)
    await world.reconcile()

    assert (world.told.status.state, world.told.status.reason, len(world.host.found)) == ("Pending", "NameTaken", 1)


def reporting(world: World) -> Hypervisors:
    return Hypervisors(world.node, world.caches.store(HYPERVISOR), News(world.clock))


async def reported(world: World) -> Hypervisors:
    """Have the Hypervisor made and told of."""
    hypervisors = reporting(world)
    await pool.reconcile(world.node, DEFAULT)
    await network.reconcile(world.node, DEFAULT)
    for _ in range(2):
        await hypervisors._serve()
    return hypervisors


def told(world: World) -> str:
    found = read_hypervisor(world.etcd.objects[HYPERVISOR, Key("", "n1")])
    return json.dumps(found.status.model_dump(mode="json", by_alias=True, exclude_none=True))


async def test_a_missing_hypervisor_is_made_and_told_of(world: World) -> None:
    await reported(world)

    assert '"accelerator": "TCG"' in told(world)
    assert '"available": "100Gi"' in told(world)


async def test_nothing_new_is_no_write(world: World) -> None:
    hypervisors = await reported(world)
    writes = world.etcd.writes

    await hypervisors._serve()

    assert world.etcd.writes == writes


async def test_a_restart_of_the_agent_makes_nothing_unsaid(world: World) -> None:
    await orphaned(world)
    writes = world.etcd.writes

    await reporting(world.reborn())._serve()

    assert world.etcd.writes == writes
    assert UUID in told(world)


async def test_after_a_boot_nothing_is_told_that_was_not_looked_at(world: World) -> None:
    await reported(world)

    await reporting(world.reborn(boot_id="boot-2"))._serve()

    assert '"pools"' not in told(world)


async def test_what_was_deleted_while_no_agent_was_there_is_not_told_any_more(world: World) -> None:
    await reported(world)
    for kind in (POOL, NETWORK):
        world.etcd.drop(kind, DEFAULT)

    await reporting(world.reborn())._serve()

    assert '"pools"' not in told(world)
    assert '"networks"' not in told(world)


async def test_the_number_of_guests_waits_until_it_stands_still(world: World) -> None:
    hypervisors = await reported(world)
    await world.node.survey.look()
    world.order()
    await world.reconcile()
    hypervisors._news.tell()

    await hypervisors._serve()
    assert '"domains": 1' not in told(world)
    world.pass_time(hypervisor.QUIET_SECONDS)
    await hypervisors._serve()
    assert '"domains": 1' in told(world)


async def orphaned(world: World) -> Hypervisors:
    world.order()
    await world.reconcile()
    world.etcd.drop(DOMAIN, KEY)
    world.caches.hear()
    await world.node.survey.look()
    return await reported(world)


async def test_an_orphan_is_told_and_removed_only_when_somebody_says_so(world: World) -> None:
    hypervisors = await orphaned(world)
    assert UUID in told(world)

    world.put(HYPERVISOR, Key("", "n1"), {"metadata": {"annotations": {"drover.dev/remove-orphan": UUID}}})
    await hypervisors._serve()

    assert (world.host.found, UUID in told(world)) == ({}, False)
    assert world.etcd.objects[HYPERVISOR, Key("", "n1")]["metadata"]["annotations"] == {}


async def test_a_guest_that_a_domain_speaks_for_cannot_be_removed_as_an_orphan(world: World) -> None:
    hypervisors = await reported(world)
    world.order()
    await world.reconcile()

    world.put(HYPERVISOR, Key("", "n1"), {"metadata": {"annotations": {"drover.dev/remove-orphan": UUID}}})
    await hypervisors._serve()

    assert world.host.found[UUID].state == "Running"


async def test_a_node_without_libvirt_is_told_as_such(world: World) -> None:
    hypervisors = await reported(world)
    world.host.connected = False

    await hypervisors._serve()

    assert "LibvirtUnavailable" in told(world)
