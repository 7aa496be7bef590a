"""The agent's way with a Domain, from order to report."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.domains import DISK, NIC
from tests.unit.agent.world import KEY, UUID, World

from drover.api.kinds import CRD, DOMAIN, VOLUME
from drover.errors import InvalidSpec, NotReady, OperatorError, Refused, Retryable, Unavailable
from drover.kube.definitions import kinds_removed
from drover.planning import names
from drover.state.resource import Key

IMAGE = {"image": "shop/debian", "source": {"url": "http://web/debian.img"}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def running(world: World, **spec: Any) -> World:
    world.order(**spec)
    await world.reconcile()
    return world


async def test_an_ordered_machine_runs_and_says_so_in_one_write(world: World) -> None:
    world.order()
    before = world.etcd.writes

    assert await world.reconcile() is None
    assert (world.told.status.state, world.condition("GuestReady")) == ("Running", ("True", "Running"))
    assert (world.etcd.writes - before, world.host.boots) == (1, 1)


async def test_a_machine_at_rest_costs_no_write_and_no_change(world: World) -> None:
    await running(world)
    writes, calls = world.etcd.writes, list(world.host.calls)

    await world.reconcile()

    assert world.etcd.writes == writes
    assert set(world.host.calls[len(calls) :]) == {"guest"}


async def test_the_report_tells_what_was_made_and_when(world: World) -> None:
    await running(world)
    status = world.told.status

    assert [(fact.name, fact.ready, fact.capacity_bytes) for fact in status.volumes or ()] == [
        ("web.root", True, 1 << 30)
    ]
    assert status.live is not None
    assert status.timeline is not None
    assert None not in (status.timeline.prepared, status.timeline.started, status.timeline.ready)


async def test_the_address_and_the_name_are_there_before_the_guest(world: World) -> None:
    await running(world)

    assert world.host.calls.index("reserve in default.internal") < world.host.calls.index("launch")


async def test_a_stop_is_asked_for_and_cut_after_the_grace_period(world: World) -> None:
    await running(world, terminationGracePeriodSeconds=30)
    world.order(powerState="Stopped")

    assert await world.reconcile() == pytest.approx(1.0)
    world.pass_time(31)
    await world.reconcile()

    assert ("shutdown" in world.host.calls, "destroy" in world.host.calls) == (True, True)
    assert (world.told.status.state, world.told.status.last_stop.reason) == ("Stopped", "Requested")  # type: ignore[union-attr]


async def test_a_jump_of_the_wall_clock_does_not_cut_the_power(world: World) -> None:
    await running(world)
    world.order(powerState="Stopped")
    await world.reconcile()

    world.clock.wall = world.clock.wall.replace(hour=20)
    await world.reconcile()

    assert "destroy" not in world.host.calls


async def test_the_grace_period_goes_on_through_a_restart_of_the_agent(world: World) -> None:
    await running(world, terminationGracePeriodSeconds=30)
    world.order(powerState="Stopped")
    await world.reconcile()

    again = world.reborn()
    again.clock.wall = world.clock.wall
    again.pass_time(31)
    await again.reconcile()

    assert "destroy" in world.host.calls


async def test_a_guest_that_listens_is_not_cut(world: World) -> None:
    world.host.listens = True
    await running(world)
    world.order(powerState="Stopped")

    await world.reconcile()

    assert (world.told.status.state, "destroy" in world.host.calls) == ("Stopped", False)


async def test_a_restart_request_boots_once(world: World) -> None:
    world.host.listens = True
    await running(world)

    world.order(restartedAt="r1")
    await world.reconcile()
    await world.reborn().reconcile()

    assert (world.host.boots, world.told.status.handled_restart) == (2, "r1")


async def test_a_guest_whose_qemu_was_killed_runs_again_and_the_reason_is_kept(world: World) -> None:
    await running(world)
    world.host.befall(UUID, "Off", "Crashed")

    await world.reconcile()

    assert (world.told.status.state, world.told.status.restarts) == ("Running", 1)
    assert world.told.status.last_stop.reason == "HypervisorKilled"  # type: ignore[union-attr]


async def test_a_guest_that_fails_again_is_held_back_and_told_at_once(world: World) -> None:
    await running(world)
    for _ in range(2):
        world.host.befall(UUID, "Off", "Crashed")
        left = await world.reconcile()

    assert left == pytest.approx(10.0)
    assert (world.told.status.reason, world.told.status.next_restart) == ("BackOff", "2026-11-21T12:00:10Z")


async def test_a_guest_that_is_suspended_behind_our_back_runs_on(world: World) -> None:
    await running(world)
    world.host.befall(UUID, "Paused", "User")

    await world.reconcile()

    assert world.host.found[UUID].state == "Running"


async def test_hibernating_and_waking_keeps_the_boot(world: World) -> None:
    await running(world)
    world.order(powerState="Hibernated")
    await world.reconcile()
    assert (world.told.status.state, world.told.status.live is not None) == ("Hibernated", True)

    world.order(powerState="Running")
    await world.reconcile()
    assert (world.told.status.state, world.host.boots) == ("Running", 1)


async def test_memory_that_cannot_be_read_is_kept_and_told(world: World) -> None:
    await running(world)
    world.order(powerState="Hibernated")
    await world.reconcile()
    world.host.befall(UUID, "Off", "Crashed")

    world.order(powerState="Running")
    await world.reconcile()

    assert (world.told.status.state, world.told.status.reason) == ("Hibernated", "ResumeFailed")
    assert world.host.found[UUID].has_managed_save


# --- what goes wrong on the way ---------------------------------------------------------------------------------------


async def test_a_full_pool_is_told_and_nothing_is_half_made(world: World) -> None:
    world.host.room = 0
    world.order()

    with pytest.raises(NotReady):
        await world.reconcile()
    world.pass_time(2)
    with pytest.raises(NotReady):
        await world.reconcile()

    assert (world.condition("VolumesReady"), world.host.found) == (("False", "PoolFull"), {})


async def test_a_disk_larger_than_its_pool_is_told(world: World) -> None:
    world.order(disks=[{**DISK, "sizeBytes": 201 << 30}])

    with pytest.raises(NotReady, match="is larger than pool default") as trouble:
        await world.reconcile()
    assert (trouble.value.reason, world.host.files) == ("PoolFull", {})


@pytest.mark.parametrize(("free", "state"), [(1 << 20, "Paused"), (64 << 20, "Running")])
async def test_a_guest_that_ran_out_of_space_runs_on_when_there_is_room(world: World, free: int, state: str) -> None:
    await running(world)
    world.host.room = free
    world.host.befall(UUID, "Paused", "IOError")

    assert (await world.reconcile() is None) is (state == "Running")
    assert (world.host.found[UUID].state, world.told.status.state) == (state, state)


async def test_a_passing_trouble_is_not_told(world: World) -> None:
    world.host.fails["launch"] = Retryable("QEMU failed", reason="StartFailed")
    world.order()
    writes = world.etcd.writes

    with pytest.raises(Retryable):
        await world.reconcile()
    assert world.etcd.writes == writes
    await world.reconcile()
    assert (world.told.status.state, world.etcd.writes) == ("Running", writes + 1)


async def test_a_lasting_trouble_of_the_start_is_told(world: World) -> None:
    world.order()
    for _ in range(2):
        world.host.fails["launch"] = Retryable("QEMU failed", reason="StartFailed")
        with pytest.raises(Retryable):
            await world.reconcile()
        world.pass_time(2)

    assert (world.told.status.state, world.condition("Running")) == ("Pending", ("False", "StartFailed"))


async def test_data_that_was_there_is_never_made_anew(world: World) -> None:
    await running(world)
    world.host.files.clear()
    world.host.befall(UUID, "Off", "Crashed")

    for _ in range(2):
        with pytest.raises(NotReady, match="is gone from pool"):
            await world.reconcile()
        world.pass_time(2)

    assert world.condition("VolumesReady") == ("False", "VolumeLost")
    assert (world.host.files, world.told.status.volumes[0].capacity_bytes) == ({}, 1 << 30)  # type: ignore[index]


async def test_data_of_a_bound_volume_is_never_made_anew_for_another_machine(world: World) -> None:
    world.bind(capacity="1Gi")
    world.order()

    with pytest.raises(NotReady) as trouble:
        await world.reconcile()
    assert trouble.value.reason == "VolumeLost"


async def test_an_image_larger_than_its_disk_is_told_and_rests(world: World) -> None:
    await fetched(world, sizeBytes=1 << 19)

    assert await world.reconcile() == pytest.approx(1.0)
    world.pass_time(2)
    with pytest.raises(InvalidSpec):
        await world.reconcile()
    assert world.condition("VolumesReady") == ("False", "ImageLargerThanDisk")


async def fetched(world: World, **disk: Any) -> None:
    """Order a machine with an image and let the image arrive."""
    spec = {"name": "root", "volume": "web.root", "volumeUid": "vol-1", "pool": "default", "image": IMAGE, **disk}
    world.order(disks=[spec])
    with pytest.raises(NotReady):
        await world.reconcile()
    await world.bell.wait()


async def test_a_machine_waits_for_its_image_and_is_woken(world: World) -> None:
    await fetched(world)
    await world.reconcile()

    assert world.told.status.state == "Running"
    assert "create_volume from abc.qcow2" in world.host.calls
    assert world.fetched == ["http://web/debian.img"]


async def test_libvirt_that_does_not_answer_changes_nothing(world: World) -> None:
    await running(world)
    world.host.connected = False
    writes = world.etcd.writes

    with pytest.raises(Unavailable):
        await world.reconcile()

    assert world.etcd.writes == writes


# --- boots, outages, orphans ------------------------------------------------------------------------------------------


async def test_after_a_boot_nothing_starts_before_the_api_was_read(world: World) -> None:
    await running(world)
    world.host.befall(UUID, "Off", "Unknown")

    booted = world.reborn(boot_id="boot-2", primed=False)
    assert booted.node.orders.domain(KEY) is None
    await booted.reconcile()
    assert world.host.boots == 1

    await world.reborn(boot_id="boot-2").reconcile()
    assert (world.host.boots, world.told.status.last_stop.reason) == (2, "HostFailure")  # type: ignore[union-attr]


async def test_without_the_api_a_guest_of_this_boot_is_restarted_by_its_policy(world: World) -> None:
    await running(world)
    writes = world.etcd.writes
    world.host.befall(UUID, "Off", "Crashed")

    await world.reborn(primed=False).reconcile()

    assert (world.host.boots, world.etcd.writes) == (2, writes)


async def test_what_is_begun_on_the_last_view_tells_nothing_though_the_api_is_read_meanwhile(world: World) -> None:
    await running(world)
    conditions = world.told.status.conditions
    late = world.reborn(primed=False)
    late.pass_time(60)

    late.host.meanwhile = late.read_the_api
    await late.reconcile()
    assert late.told.status.conditions == conditions

    await late.reconcile()
    assert late.told.status.conditions == conditions


async def test_data_that_is_gone_is_not_made_anew_on_the_last_view_though_the_api_is_read_meanwhile(
    world: World,
) -> None:
    await running(world)
    world.host.files.clear()
    world.host.befall(UUID, "Off", "Crashed")
    late = world.reborn(primed=False)

    late.host.meanwhile = late.read_the_api
    with pytest.raises(NotReady, match="it is not made anew"):
        await late.reconcile()

    assert late.host.files == {}


async def test_a_domain_that_vanishes_stops_nothing(world: World) -> None:
    await running(world)
    world.etcd.drop(DOMAIN, KEY)
    world.caches.hear()

    await world.reconcile()
    await world.node.survey.look()

    assert world.host.found[UUID].state == "Running"
    assert [orphan.uuid for orphan in world.node.survey.orphans or ()] == [UUID]


async def test_a_domain_that_comes_back_takes_its_guest_over_again(world: World) -> None:
    await test_a_domain_that_vanishes_stops_nothing(world)

    await running(world)
    await world.node.survey.look()

    assert (world.host.boots, world.told.status.state, world.node.survey.orphans) == (1, "Running", ())


# --- deleting ---------------------------------------------------------------------------------------------------------


async def test_a_deleted_domain_leaves_nothing_once_its_volume_is_bound(world: World) -> None:
    world.host.listens = True
    await running(world)
    world.put(VOLUME, Key("shop", "web.root"), {"spec": {}, "metadata": {"uid": "vol-1"}})
    world.delete(DOMAIN, KEY)

    with pytest.raises(NotReady) as trouble:
        await world.reconcile()
    assert (trouble.value.reason, trouble.value.delay) == ("VolumeNotBound", 0.5)
    world.bind()
    await world.reconcile()

    assert (DOMAIN, KEY) not in world.etcd.objects
    assert (world.host.found, world.host.leases) == ({}, {})


async def test_definitions_that_go_are_no_order_to_stop(world: World) -> None:
    await running(world)
    world.put(CRD, Key("", "domains.drover.dev"), {"metadata": {"deletionTimestamp": "2026-11-21T12:00:00Z"}})
    world.delete(DOMAIN, KEY)

    await world.reconcile()

    assert (DOMAIN, KEY) not in world.etcd.objects
    assert world.host.found[UUID].state == "Running"


async def test_a_definition_that_is_gone_counts_as_going(world: World) -> None:
    assert not await kinds_removed(world.node.cluster, DOMAIN)
    world.etcd.drop(CRD, Key("", "domains.drover.dev"))

    assert await kinds_removed(world.node.cluster, DOMAIN)


# --- the rest of a life -----------------------------------------------------------------------------------------------


async def test_pausing_and_running_on(world: World) -> None:
    await running(world)
    for power in ("Paused", "Running"):
        world.order(powerState=power)
        await world.reconcile()
        assert (world.told.status.state, world.host.found[UUID].state) == (power, power)


async def test_a_machine_that_boots_a_kernel_gets_its_files(world: World) -> None:
    kernel = {"url": "http://web/vmlinuz"}
    world.order(kernel={"image": "shop/tiny", "kernel": kernel, "initrd": {"url": "http://web/initrd"}})
    with pytest.raises(NotReady, match="fetches shop/tiny"):
        await world.reconcile()
    await world.bell.wait()

    assert sorted(world.fetched) == ["http://web/initrd", "http://web/vmlinuz"]
    await world.reconcile()
    assert world.told.status.state == "Running"


async def test_a_domain_that_nobody_holds_is_held_first(world: World) -> None:
    world.order()
    world.put(DOMAIN, KEY, {"metadata": {"finalizers": []}})

    await world.reconcile()

    assert world.told.meta.finalizers == (names.FINALIZER_AGENT,)
    assert world.told.status.state == "Running"


async def test_hibernated_memory_is_thrown_away_by_a_stop(world: World) -> None:
    await running(world)
    for power, state in (("Hibernated", "Hibernated"), ("Stopped", "Stopped")):
        world.order(powerState=power)
        await world.reconcile()
        assert world.told.status.state == state

    assert not world.host.found[UUID].has_managed_save


async def test_a_guest_undefined_behind_our_back_is_defined_again_with_its_record(world: World) -> None:
    await running(world)
    world.host.found[UUID] = replace(world.host.found[UUID], persistent=False)

    await world.reconcile()

    assert (world.host.found[UUID].persistent, world.host.boots) == (True, 1)


async def test_starts_wait_in_line(world: World) -> None:
    others = [Key("shop", name) for name in "ab"]
    for key in others:
        world.node.gate.enter(key)
    world.order()
    with pytest.raises(NotReady) as trouble:
        await world.reconcile()
    assert (trouble.value.reason, world.host.files) == ("Queued", {})

    world.node.gate.leave(others[0])
    assert world.woken == [KEY]
    await world.reconcile()
    assert world.told.status.state == "Running"


async def test_a_probe_that_succeeds_is_told_with_the_time(world: World) -> None:
    await running(world, readinessProbe={"guestAgent": {}})
    assert world.condition("GuestReady") == ("False", "ProbePending")

    await world.node.prober._ask(world.node.prober._watched[KEY])
    await world.reconcile()

    assert (world.condition("GuestReady"), world.woken) == (("True", "ProbeSucceeded"), [KEY])
    assert world.told.status.timeline.ready is not None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("started", "ordered", "asked"),
    [
        pytest.param(NIC, NIC | {"ip": "10.20.0.99"}, "10.20.0.10", id="as it was started, whatever comes next"),
        pytest.param(NIC | {"ip": "", "ipv6": "fd00::7"}, {}, "fd00::7", id="that has but one of IPv6"),
    ],
)
async def test_a_guest_is_asked_at_its_address(
    world: World, started: dict[str, Any], ordered: dict[str, Any], asked: str
) -> None:
    probe = {"httpGet": {"port": 80}}
    await running(world, readinessProbe=probe, interfaces=[started])
    world.order(readinessProbe=probe, interfaces=[started | ordered])
    await world.reconcile()

    assert world.node.prober._watched[KEY].target.address == asked


async def test_a_machine_that_asks_for_a_network_that_is_not_there_says_so(world: World) -> None:
    world.order(interfaces=[{**NIC, "network": "other"}])
    for _ in range(2):
        with pytest.raises(NotReady):
            await world.reconcile()
        world.pass_time(2)

    assert world.condition("NetworkReady") == ("False", "NetworkNotFound")


async def test_a_guest_whose_record_cannot_be_read_is_unknown_until_it_can(world: World) -> None:
    await running(world)
    world.host.fails["guest"] = Refused("the record of guest shop.web cannot be read", reason="RecordUnreadable")

    with pytest.raises(Refused):
        await world.reconcile()

    assert (world.told.status.state, world.condition("Running")) == ("Unknown", ("Unknown", "RecordUnreadable"))
    await world.reconcile()
    assert world.condition("Running") == ("True", "Running")


async def test_a_guest_that_cannot_be_seen_for_long_is_unknown(world: World) -> None:
    await running(world)
    world.host.connected = False

    for delay in (40.0, None):
        with pytest.raises(Unavailable) as away:
            await world.reconcile()
        assert away.value.delay == delay
        world.pass_time(41)

    assert (world.told.status.state, world.condition("Running")) == ("Unknown", ("Unknown", "LibvirtUnavailable"))
    world.host.connected = True
    await world.reconcile()
    assert world.condition("Running") == ("True", "Running")


async def going(world: World, **fails: OperatorError) -> None:
    """Delete a Domain whose guest never was, while verbs fail."""
    world.delete(DOMAIN, KEY)
    world.host.fails |= fails
    with suppress(OperatorError):
        await world.reconcile()


async def test_a_domain_whose_disk_was_never_made_does_not_wait_for_a_pool_that_is_broken(world: World) -> None:
    world.order()
    await going(world, ensure_pool=NotReady("no such directory", reason="PoolUnusable"))

    assert (DOMAIN, KEY) not in world.etcd.objects


async def test_a_domain_whose_disk_was_made_waits_until_it_can_be_looked_at(world: World) -> None:
    await running(world)
    await world.host.destroy(UUID)
    await going(world, ensure_pool=NotReady("no such directory", reason="PoolUnusable"))

    assert (DOMAIN, KEY) in world.etcd.objects


async def test_a_domain_waits_for_libvirt_whatever_was_made(world: World) -> None:
    world.order()
    await going(world, ensure_pool=Unavailable("libvirt does not answer", reason="LibvirtUnavailable"))

    assert (DOMAIN, KEY) in world.etcd.objects
