"""The controllers' hands: what each action does when others were there first, and what is done beside machines."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest
from tests.support.fake_cluster import Etcd
from tests.support.machines import make_machine, make_meta, make_network, make_volume
from tests.unit.controllers.cosmos import WEB, Controller, Cosmos

from drover.api import kinds
from drover.api.kinds import Kind
from drover.controllers import address, defaults, image, network, pool, virtualmachine
from drover.controllers.act import Hindered, do
from drover.controllers.events import Events
from drover.controllers.gather import gather
from drover.controllers.links import Links, Usage
from drover.errors import InvalidSpec, NotReady
from drover.kube.errors import ApiFault, Conflict, Rejected
from drover.metrics import controller as metrics
from drover.metrics import registry
from drover.planning import action
from drover.planning.address import Claim, windows
from drover.planning.transition import News
from drover.state.lease import Lease, read_lease
from drover.state.resource import Key, read_meta

POD = {"metadata": {"name": "web.anchor.1", "namespace": "shop"}, "spec": {}}
CLAIM = Claim("lan", "default", "", "02:00:00:00:00:01")
REPORT = [{"name": "default", "ready": True}]
IMAGE = {"type": "Disk", "source": {"type": "HTTP", "http": {"url": "http://x/disk"}}}


def run(story: Coroutine[Any, Any, None]) -> None:
    """Tell a story to its end."""
    asyncio.run(story)


async def _begin() -> tuple[Cosmos, Controller]:
    cosmos = Cosmos(Random(0))
    await cosmos.furnish()
    cosmos.controllers[0].caches.hear()
    return cosmos, cosmos.controllers[0]


def _refusing(controller: Controller, error: Exception) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise error

    controller.cluster.create = refuse  # type: ignore[assignment, method-assign]


async def _put(cosmos: Cosmos, kind: Kind, name: str, uid: str, **metadata: Any) -> None:
    body = {"metadata": {"name": name, "namespace": "shop", "uid": uid, **metadata}, "spec": {}}
    cosmos.etcd.put(kind, Key("shop", name), body)


def test_a_child_that_is_there_already_will_do_if_it_is_ours() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        mark = {"drover.dev/machine-uid": "uid-web"}
        labels = {"drover.dev/anchor": "true"}
        await _put(cosmos, kinds.POD, "web.anchor.1", "p", annotations=mark, labels=labels)
        await do(action.Create(kinds.POD, "uid-web", POD), controller.world)
        assert controller.world.stores.anchors.get(Key("shop", "web.anchor.1")) is not None
        with pytest.raises(Hindered, match="in the way"):
            await do(action.Create(kinds.POD, "uid-other", POD), controller.world)

    run(story())


@pytest.mark.parametrize(
    ("step", "concern"),
    [
        pytest.param(action.Create(kinds.POD, "u", POD), "Scheduled", id="pod"),
        pytest.param(action.Create(kinds.VOLUME, "u", POD), "VolumesReady", id="volume"),
        pytest.param(
            action.Allocate(CLAIM, make_machine().meta, windows(make_network())), "NetworkReady", id="address"
        ),
    ],
)
def test_what_the_api_server_refuses_is_said_where_it_hurts(step: Any, concern: str) -> None:
    async def story() -> None:
        _, controller = await _begin()
        _refusing(controller, Rejected("exceeded quota: q", reason="QuotaExceeded", delay=10.0))
        with pytest.raises(Hindered, match="exceeded quota") as caught:
            await do(step, controller.world)
        assert (caught.value.concern, caught.value.reason, caught.value.delay) == (concern, "QuotaExceeded", 10.0)

    run(story())


def test_a_pod_that_is_invalid_is_its_machines_fault() -> None:
    async def story() -> None:
        _, controller = await _begin()
        _refusing(controller, ApiFault("422 Invalid: spec.affinity"))
        with pytest.raises(InvalidSpec, match=r"spec\.affinity"):
            await do(action.Create(kinds.POD, "u", POD), controller.world)

    run(story())


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        pytest.param(Rejected("exceeded quota: q", reason="QuotaExceeded"), "Scheduled", "QuotaExceeded", id="quota"),
        pytest.param(ApiFault("422 Invalid: spec.affinity"), "Accepted", "InvalidSpec", id="invalid"),
    ],
)
def test_trouble_with_the_anchor_is_told_in_the_status(error: Exception, kind: str, reason: str) -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await cosmos.create(interfaces=[])
        _refusing(controller, error)
        for _ in range(4):
            controller.caches.hear()
            await controller.step()
            controller.clock += 70.0
        told = (cosmos.machine() or {})["status"]["conditions"]
        assert reason in [each["reason"] for each in told if each["type"] == kind]

    run(story())


def test_an_address_that_somebody_took_meanwhile_is_passed_over() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        owner = {"namespace": "shop", "name": "db", "uid": "uid-db"}
        spec = {"network": "default", "address": "10.20.0.2", "macAddress": CLAIM.mac}
        taken = {**spec, "virtualMachine": owner, "interface": "lan"}
        await cosmos.client.create(kinds.ADDRESS, {"metadata": {"name": "default-10-20-0-2"}, "spec": taken})
        step = action.Allocate(CLAIM, make_machine().meta, windows(make_network()))
        await do(step, controller.world)
        assert [key.name for key, _ in cosmos.etcd.every(kinds.ADDRESS)] == ["default-10-20-0-2", "default-10-20-0-3"]

    run(story())


def test_a_network_without_a_free_address_says_so_and_gives_back_what_it_tried() -> None:
    async def story() -> None:
        _, controller = await _begin()
        room = windows(make_network(subnet={"allocation": {"start": "10.20.0.4", "end": "10.20.0.4"}}))
        step = action.Allocate(CLAIM, make_machine().meta, room)
        create = controller.cluster.create
        _refusing(controller, Rejected("no"))
        with pytest.raises(Hindered):
            await do(step, controller.world)
        controller.cluster.create = create  # type: ignore[method-assign]
        await do(step, controller.world)
        with pytest.raises(NotReady, match="every address"):
            await do(step, controller.world)

    run(story())


def test_a_hardware_address_is_reserved_by_its_name() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        claim = Claim("lan", "default", "", CLAIM.mac, reserve_mac=True)
        await do(action.Allocate(claim, make_machine().meta, windows(make_network())), controller.world)
        assert [key.name for key, _ in cosmos.etcd.every(kinds.ADDRESS)] == ["default-mac-02-00-00-00-00-01"]

    run(story())


def test_a_volume_is_taken_over_with_a_mark_and_held() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await cosmos.client.create(
            kinds.VOLUME, {"metadata": {"name": "kept", "namespace": "shop"}, "spec": {"size": 1}}
        )
        controller.caches.hear()
        found = cosmos.etcd.objects[kinds.VOLUME, Key("shop", "kept")]
        await do(action.TakeVolume(read_meta(found), "uid-web"), controller.world)
        meta = cosmos.etcd.objects[kinds.VOLUME, Key("shop", "kept")]["metadata"]
        assert (meta["annotations"], meta["finalizers"]) == ({"drover.dev/used-by": "uid-web"}, ["drover.dev/volume"])

    run(story())


def test_only_the_version_that_was_decided_about_is_rewritten() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        stale = make_volume("kept").meta
        with pytest.raises(Conflict, match="is gone"):
            await do(action.TakeVolume(stale, "uid-web"), controller.world)
        await cosmos.client.create(
            kinds.VOLUME, {"metadata": {"name": "kept", "namespace": "shop"}, "spec": {"size": 1}}
        )
        with pytest.raises(Conflict, match="has changed"):
            await do(action.Disown(stale, "uid-web"), controller.world)
        assert controller.world.stores.volumes.get(Key("shop", "kept")) is not None

    run(story())


def test_a_finalizer_is_not_put_on_what_is_going() -> None:
    async def story() -> None:
        _, controller = await _begin()
        with pytest.raises(Conflict, match="is going"):
            await do(action.AddFinalizer(kinds.POD, make_meta("x"), "f"), controller.world)

    run(story())


def test_a_domain_of_an_earlier_machine_is_waited_for() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        labels = {"drover.dev/virtualmachine": "web"}
        body: Any = {"metadata": {"name": "web-1", "namespace": "shop", "labels": labels}}
        spec = {"epoch": 1, "nodeName": "n1", "uuid": "old", "virtualMachine": {"name": "web", "uid": "old"}}
        machine = {"cores": 1, "memoryBytes": 1}
        more = {"powerState": "Running", "restartPolicy": "Always", "terminationGracePeriodSeconds": 1}
        await cosmos.client.create(kinds.DOMAIN, {**body, "spec": {**spec, **more, "machine": machine}})
        step = action.CreateDomain(make_machine().meta, {**body, "spec": {**spec, "epoch": 2}})
        with pytest.raises(NotReady, match="earlier machine"):
            await do(step, controller.world)

    run(story())


def test_a_volume_that_another_machine_needs_is_seen_to_be_held() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await cosmos.create(disks=[{"name": "root", "size": "1Gi"}])
        await cosmos.settle()
        other = {"powerState": "Running", "disks": [{"name": "mine", "volume": "web.root"}]}
        metadata = {"name": "db", "namespace": "shop"}
        await cosmos.client.create(kinds.VIRTUALMACHINE, {"metadata": metadata, "spec": other})
        controller.caches.hear()
        found = gather(Key("shop", "db"), controller.world)
        assert found is not None
        assert found.catalog.held == {"web.root": "web"}
        cosmos.delete()
        await cosmos.settle()

    run(story())


def test_the_sweep_frees_only_what_the_api_server_says_is_nobodys() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await cosmos.create(interfaces=None)
        await cosmos.settle()
        blind = Controller(Etcd(), Random(0), set())
        blind.cluster.etcd = cosmos.etcd
        known = controller.world.stores.addresses.values()
        for found in known:
            blind.world.stores.addresses.observe(found)
        await address.sweep(blind.world)
        assert len(cosmos.etcd.every(kinds.ADDRESS)) == 1

    run(story())


@pytest.mark.parametrize("wanted", ["Create", "Skip"])
def test_defaults_are_made_once_and_never_after_somebody_deleted_them(wanted: str) -> None:
    async def story() -> None:
        cosmos = Cosmos(Random(0))
        controller = cosmos.controllers[0]
        object.__setattr__(controller.world.settings, "cluster_defaults", wanted)
        await defaults.make(controller.world)
        metadata = {"name": "drover-controller", "namespace": "drover-system"}
        await cosmos.client.create(kinds.LEASE, {"metadata": metadata, "spec": {}})
        made = {kinds.POOL: 1, kinds.NETWORK: 1} if wanted == "Create" else {kinds.POOL: 0, kinds.NETWORK: 0}
        for _ in range(2):
            await defaults.make(controller.world)
            assert {kind: len(cosmos.etcd.every(kind)) for kind in made} == made
            cosmos.delete(kinds.POOL)
            made = {**made, kinds.POOL: 0}

    run(story())


def test_a_default_that_is_there_already_is_left_as_it_is() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        metadata = {"name": "drover-controller", "namespace": "drover-system"}
        await cosmos.client.create(kinds.LEASE, {"metadata": metadata, "spec": {}})
        before = cosmos.etcd.objects[kinds.POOL, Key("", "default")]
        await defaults.make(controller.world)
        assert cosmos.etcd.objects[kinds.POOL, Key("", "default")] == before

    run(story())


@pytest.mark.parametrize(
    ("kind", "key", "reconcile"),
    [
        pytest.param(kinds.POOL, Key("", "default"), pool.reconcile, id="pool"),
        pytest.param(kinds.NETWORK, Key("", "default"), network.reconcile, id="network"),
        pytest.param(kinds.IMAGE, Key("shop", "deb"), image.reconcile, id="image"),
    ],
)
def test_what_nodes_report_is_summed_up_and_told_once(kind: Kind, key: Key, reconcile: Any) -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await cosmos.client.create(kinds.IMAGE, {"metadata": {"name": "deb", "namespace": "shop"}, "spec": IMAGE})
        status = {"pools": REPORT, "networks": REPORT}
        await cosmos.client.apply(
            kinds.HYPERVISOR, Key("", "n1"), {"status": status}, manager="a", subresource="status"
        )
        controller.caches.hear()
        await reconcile(key, controller.world)
        writes = cosmos.etcd.writes
        await reconcile(key, controller.world)
        await reconcile(Key("", "gone"), controller.world)
        assert cosmos.etcd.objects[kind, key]["status"]["conditions"]
        assert cosmos.etcd.writes == writes

    run(story())


def _lease(node: str, renewed: str) -> Lease:
    metadata = {"name": f"drover-node-{node}", "namespace": "drover-system"}
    return read_lease({"metadata": metadata, "spec": {"renewTime": renewed}})


def test_only_leases_of_nodes_are_heartbeats() -> None:
    other = read_lease({"metadata": {"name": "drover-controller", "namespace": "drover-system"}})
    assert (other.node, other.renewed, _lease("n1", "a").node) == ("", "", "n1")


def test_events_wait_in_a_bounded_queue() -> None:
    async def story() -> None:
        events = Events()
        events.tell(make_meta("web"), [News("Started", "it runs")] * 2000)
        assert events._waiting.qsize() == 1000

    run(story())


def test_events_are_sent_behind_the_work() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        controller.world.events.tell(make_meta("web"), [News("Started", "it runs")])
        sending = asyncio.create_task(controller.world.events.run(controller.world.cluster))
        async with asyncio.timeout(10):
            while not cosmos.etcd.every(kinds.EVENT):  # noqa: ASYNC110 - another task writes
                await asyncio.sleep(0.01)
        sending.cancel()
        (told,) = [body for _, body in cosmos.etcd.every(kinds.EVENT)]
        assert (told["reason"], told["involvedObject"]["name"]) == ("Started", "web")

    run(story())


def test_links_forget_what_a_machine_refers_to_no_more() -> None:
    links = Links()
    links.refer(WEB, frozenset({("pools", "a"), ("pools", "b")}))
    links.refer(WEB, frozenset({("pools", "b")}))
    assert (list(links.users(("pools", "a"))), list(links.users(("pools", "b"), ("pools", "c")))) == ([], [WEB])
    links.refer(WEB, frozenset())
    assert list(links.users(("pools", "b"))) == []


def test_usage_knows_no_domain_of_a_volume_that_none_names() -> None:
    assert Usage().domains(Key("shop", "kept")) == ()


def test_the_metrics_speak_prometheus() -> None:
    registry.build("1.2.3")
    registry.wrote("Domain", "create")
    registry.reconcile_finished("virtualmachines", 0.01, "bug")
    metrics.watch_phases(lambda: ["Running", "Running", "Stopped"])
    metrics.watch_queues({"virtualmachines": lambda: 3})
    metrics.address_abandoned()
    text = registry.render().decode()
    assert 'drover_virtualmachines{phase="Running"} 2.0' in text
    assert 'drover_reconcile_errors_total{kind="virtualmachines",outcome="bug"}' in text
    assert 'drover_queue_depth{queue="virtualmachines"} 3.0' in text
    assert 'drover_build_info{python="' in text


def test_machines_with_volumes_that_name_no_pool_get_no_more_of_the_default_pool_than_their_namespace_may_have() -> (
    None
):
    async def story() -> None:
        cosmos, _ = await _begin()
        pool = cosmos.etcd.objects[kinds.POOL, Key("", "default")]
        cosmos.etcd.put(kinds.POOL, Key("", "default"), {**pool, "spec": {**pool["spec"], "namespaceLimit": "2Gi"}})
        for name in ("a", "b", "c", "d"):
            metadata = {"name": name, "namespace": "shop"}
            await cosmos.client.create(kinds.VOLUME, {"metadata": metadata, "spec": {"size": "1Gi"}})
            spec = {"powerState": "Running", "interfaces": [], "disks": [{"name": "root", "volume": name}]}
            await cosmos.client.create(kinds.VIRTUALMACHINE, {"metadata": metadata, "spec": spec})
        await cosmos.settle()
        bound = [body["status"].get("nodeName") for _, body in cosmos.etcd.every(kinds.VOLUME)]
        assert (len(bound), sum(map(bool, bound))) == (4, 2)

    run(story())


def test_volumes_that_are_made_at_once_are_no_more_than_their_namespace_may_have() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        pool = cosmos.etcd.objects[kinds.POOL, Key("", "default")]
        cosmos.etcd.put(kinds.POOL, Key("", "default"), {**pool, "spec": {**pool["spec"], "namespaceLimit": "5Gi"}})
        controller.caches.hear()
        metas = [{"metadata": {"name": f"v{number}", "namespace": "shop"}} for number in range(20)]
        spec = {"pool": "default", "size": "1Gi", "source": {"type": "Blank"}}
        creates = [do(action.Create(kinds.VOLUME, "u", {**meta, "spec": spec}), controller.world) for meta in metas]
        refused = [each for each in await asyncio.gather(*creates, return_exceptions=True) if each is not None]
        assert {type(each) for each in refused} == {Conflict}
        assert (len(refused), len(cosmos.etcd.every(kinds.VOLUME))) == (15, 5)
        assert controller.world.ledger.room("default", "shop").namespace == 5 << 30

    run(story())


def test_a_node_gets_no_more_volumes_at_once_than_it_may_promise() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        pool = cosmos.etcd.objects[kinds.POOL, Key("", "default")]
        seen = {"nodes": [{"name": node, "ready": True, "capacity": "2Gi"} for node in ("n1", "n2")]}
        bounded = {**pool, "spec": {**pool["spec"], "overcommit": "1"}, "status": seen}
        cosmos.etcd.put(kinds.POOL, Key("", "default"), bounded)
        cosmos.darken("n2")
        spec = {"powerState": "Running", "interfaces": [], "disks": [{"name": "root", "size": "1Gi"}]}
        keys = [Key("shop", name) for name in ("a", "b", "c", "d")]
        for key in keys:
            metadata = {"name": key.name, "namespace": key.namespace}
            await cosmos.client.create(kinds.VIRTUALMACHINE, {"metadata": metadata, "spec": spec})
        for _ in range(3):
            controller.caches.hear()
            stories = (virtualmachine.reconcile(key, controller.world) for key in keys)
            await asyncio.gather(*stories, return_exceptions=True)
            cosmos.schedule()
        assert len(cosmos.etcd.every(kinds.DOMAIN)) == 2
        assert controller.world.ledger.nodes("default")["n1"] == 2 << 30

    run(story())


@pytest.mark.parametrize("mode", ["DHCP", "Unmanaged"])
def test_a_machine_stays_where_it_is_when_another_network_becomes_the_default(mode: str) -> None:
    async def story() -> None:
        cosmos, _ = await _begin()
        await cosmos.create(interfaces=[{"name": "lan", "addressMode": mode}])
        await cosmos.settle()
        before = [body["spec"] for _, body in cosmos.etcd.every(kinds.ADDRESS)]
        old = cosmos.etcd.objects[kinds.NETWORK, Key("", "default")]
        new = {"type": "NAT", "default": True, "subnets": [{"name": "v4", "cidr": "10.30.0.0/28"}]}
        await cosmos.client.create(kinds.NETWORK, {"metadata": {"name": "other"}, "spec": new})
        cosmos.etcd.put(kinds.NETWORK, Key("", "default"), {**old, "spec": {**old["spec"], "default": False}})
        cosmos.annotate("restartedAt")
        await cosmos.settle()
        assert [body["spec"] for _, body in cosmos.etcd.every(kinds.ADDRESS)] == before
        assert [
            each["network"] for _, body in cosmos.etcd.every(kinds.DOMAIN) for each in body["spec"]["interfaces"]
        ] == ["default"]

    run(story())
