"""Which news wakes what, and the tasks that run beside the queues."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.world import ACCEPTED, KEY, UUID, World

from drover.agent import hypervisor, measure, survey
from drover.agent.heartbeat import make_heartbeat
from drover.agent.hypervisor import Hypervisors, News
from drover.agent.queues import Doorbell, connect, make_queues, wake_all
from drover.api.kinds import DOMAIN, HYPERVISOR, NETWORK, POOL, VOLUME, Kind
from drover.errors import Unavailable
from drover.metrics.agent import GuestMeters
from drover.runtime import patience
from drover.runtime.reconciler import Reconciler
from drover.state.guest import GuestEvent
from drover.state.resource import Key

DEFAULT = Key("", "default")
VOLUME_KEY = Key("shop", "web.root")
Queues = dict[Kind, Reconciler]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
async def queues(world: World) -> Queues:
    made = make_queues(world.node, world.caches)  # type: ignore[arg-type]
    connect(world.node, world.caches, made)  # type: ignore[arg-type]
    return made


def waiting(queues: Queues) -> set[tuple[str, str]]:
    """Empty the queues; give the kinds and names that waited."""
    found = set()
    for kind, reconciler in queues.items():
        while (key := reconciler.queue.take()) is not None:
            reconciler.queue.done(key)
            found.add((kind.name, str(key)))
    return found


async def test_a_new_order_wakes_its_domain(world: World, queues: Queues) -> None:
    world.order()

    assert waiting(queues) == {("Domain", "shop/web-1")}


async def test_what_we_say_ourselves_wakes_nobody(world: World, queues: Queues) -> None:
    world.order()
    waiting(queues)
    world.put(DOMAIN, KEY, {"status": {"state": "Running"}})

    assert waiting(queues) == set()


async def test_a_volume_that_is_bound_wakes_the_domain_that_waits_to_go(world: World, queues: Queues) -> None:
    world.order()
    world.delete(DOMAIN, KEY)
    waiting(queues)
    world.bind()

    assert waiting(queues) == {("Domain", "shop/web-1"), ("StorageVolume", "shop/web.root")}


async def test_a_domain_that_is_gone_wakes_its_volumes(world: World, queues: Queues) -> None:
    world.order()
    waiting(queues)
    world.etcd.drop(DOMAIN, KEY)
    world.caches.hear()

    assert waiting(queues) == {("Domain", "shop/web-1"), ("StorageVolume", "shop/web.root")}


@pytest.mark.parametrize(("uuid", "woken"), [(UUID, {("Domain", "shop/web-1")}), ("foreign", set())])
async def test_an_event_wakes_the_domain_of_its_guest(world: World, queues: Queues, uuid: str, woken: Any) -> None:
    world.order()
    waiting(queues)
    for listener in world.host._listeners:
        listener(GuestEvent(uuid, "Panicked", "", 0.0))

    assert waiting(queues) == woken
    assert world.node.memory.of(UUID).panicked is bool(woken)


@pytest.mark.parametrize("connected", [True, False])
async def test_a_new_connection_to_libvirt_wakes_everything(world: World, queues: Queues, *, connected: bool) -> None:
    world.order()
    waiting(queues)
    for watcher in world.host._watchers:
        watcher(connected)

    everything = {("Domain", "shop/web-1"), ("StoragePool", "default"), ("VirtualNetwork", "default")}
    assert waiting(queues) == (everything if connected else set())
    assert queues[DOMAIN].queue.delayed == (0 if connected else 1), "it may have to be told that nothing is known"


async def test_a_domain_is_woken_when_its_network_may_be_used(world: World, queues: Queues) -> None:
    world.order()
    waiting(queues)
    spec = world.etcd.objects[NETWORK, DEFAULT]["spec"]
    world.put(NETWORK, DEFAULT, {"spec": spec, "status": {}})
    assert ("Domain", "shop/web-1") in waiting(queues)
    world.put(NETWORK, DEFAULT, {"spec": spec, "status": ACCEPTED})
    assert ("Domain", "shop/web-1") in waiting(queues)
    world.put(NETWORK, DEFAULT, {"spec": spec, "status": {**ACCEPTED, "inUseCount": 1}})
    assert ("Domain", "shop/web-1") not in waiting(queues)


async def test_everything_can_be_woken_and_is_reconciled(world: World, queues: Queues) -> None:
    world.order()
    wake_all(world.node, queues)
    for kind, key in ((POOL, DEFAULT), (NETWORK, DEFAULT), (DOMAIN, KEY), (VOLUME, VOLUME_KEY)):
        await queues[kind].handle(key)

    assert (world.told.status.state, list(world.host.networks)) == ("Running", ["default"])


async def test_a_doorbell_rings_whoever_it_was_connected_to() -> None:
    rung: list[Key] = []
    bell = Doorbell()
    bell(KEY)
    bell.ring = rung.append
    bell(KEY)

    assert rung == [KEY]


# --- what runs beside them --------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run something until the context ends."""
    task = asyncio.create_task(work)
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(true: Any) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.01)


async def test_the_report_runs_by_itself_and_survives_trouble(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hypervisor, "TOGETHER_SECONDS", 0.0)
    monkeypatch.setattr(patience, "LONGEST_SECONDS", 0.01)
    news = News()
    hypervisors = Hypervisors(world.node, world.caches.store(HYPERVISOR), news)
    tries = []

    async def gate() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise Unavailable("not now")

    world.cluster.gate = gate
    async with running(hypervisors.run()):
        await until(lambda: world.etcd.objects.get((HYPERVISOR, Key("", "n1")), {}).get("status"))


async def test_the_survey_goes_on_after_trouble(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(patience, "LONGEST_SECONDS", 0.01)
    world.host.fails["guests"] = Unavailable("not now")

    async with running(world.node.survey.run()):
        await until(lambda: world.host.calls.count("guests") >= 3)
    assert world.node.survey.looked


async def test_serial_logs_are_kept_short(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "TRIM_SECONDS", 0.01)

    async with running(world.node.survey.trim()):
        await until(lambda: "trim_logs" in world.host.calls)


async def test_guests_are_measured_only_while_somebody_asks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "EVERY_SECONDS", 0.01)
    world.order()
    await world.reconcile()
    meters = GuestMeters(world.clock)
    assert list(meters.collect()) == []

    async with running(measure.run(world.node, meters)):
        await until(lambda: list(meters.collect()))
    figures = {sample.name: sample for family in meters.collect() for sample in family.samples}
    assert figures["drover_vm_cpu_seconds_total"].labels == {"namespace": "shop", "name": "web"}
    assert "drover_vm_memory_bytes" not in figures

    world.pass_time(151)
    assert (meters.wanted, list(meters.collect())) == (False, [])


async def test_libvirt_that_cannot_be_measured_shows_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "EVERY_SECONDS", 0.01)
    meters = GuestMeters(world.clock)
    world.host.connected = False
    list(meters.collect())

    async with running(measure.run(world.node, meters)):
        await until(lambda: world.host.calls.count("samples") >= 2)
    assert list(meters.collect()) == []


def test_the_heartbeat_is_a_lease_called_after_the_node(world: World) -> None:
    heartbeat = make_heartbeat(world.cluster, "drover-system", "n1")  # type: ignore[arg-type]

    assert heartbeat._key == Key("drover-system", "drover-node-n1")
