"""Networks and security groups as the controller keeps them: members, and who is looked at again when."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest
from tests.support.machines import MAC, make_domain
from tests.unit.controllers.cosmos import WEB, Controller, Cosmos

from drover.api import kinds
from drover.api.kinds import Kind
from drover.controllers import network, securitygroup, service
from drover.controllers.gather import gather
from drover.state.resource import Key

GROUP, OTHER = Key("shop", "web-servers"), Key("shop", "balancers")
NAMING = [{"name": "default", "securityGroups": [GROUP.name]}]
MOMENT = "2026-11-21T12:00:00Z"
ACCEPTED = {"conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "lastTransitionTime": MOMENT}]}
TAKEN = {"type": "NAT", "subnets": [{"name": "v4", "cidr": "10.20.0.0/24", "gateway": "10.20.0.1"}]}


def run(story: Coroutine[Any, Any, None]) -> None:
    """Tell a story to its end."""
    asyncio.run(story)


async def _begin(seed: int = 0) -> tuple[Cosmos, Controller]:
    cosmos = Cosmos(Random(seed))
    await cosmos.furnish()
    for key in (GROUP, OTHER):
        body = {"metadata": {"name": key.name, "namespace": key.namespace}, "spec": {}}
        await cosmos.client.create(kinds.SECURITYGROUP, body)
    return cosmos, _settled(cosmos.controllers[0])


def _settled(controller: Controller) -> Controller:
    """Hear of everything, and forget who was to be looked at."""
    controller.caches.hear()
    controller.clock += 10.0
    for queue in controller.queues.values():
        while (key := queue.take()) is not None:
            queue.done(key)
    return controller


def _waiting(controller: Controller, kind: Kind) -> set[Key]:
    controller.caches.hear()
    controller.clock += 10.0
    taken: set[Key] = set()
    while (key := controller.queues[kind].take()) is not None:
        taken.add(key)
        controller.queues[kind].done(key)
    return taken


async def _address(cosmos: Cosmos, address: str, interface: str = "default") -> None:
    machine = cosmos.machine()
    assert machine is not None
    owner = {"namespace": WEB.namespace, "name": WEB.name, "uid": machine["metadata"]["uid"]}
    spec = {"network": "default", "address": address, "macAddress": "02:00:00:00:00:01", "virtualMachine": owner}
    await cosmos.client.create(
        kinds.ADDRESS, {"metadata": {"name": f"a-{address}"}, "spec": {**spec, "interface": interface}}
    )


def test_a_groups_members_are_told_once() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await cosmos.create(interfaces=NAMING)
        await _address(cosmos, "10.20.0.5")
        controller.caches.hear()
        await securitygroup.reconcile(GROUP, controller.world)
        writes = cosmos.etcd.writes
        await securitygroup.reconcile(GROUP, controller.world)
        await securitygroup.reconcile(Key("shop", "gone"), controller.world)
        assert cosmos.etcd.objects[kinds.SECURITYGROUP, GROUP]["status"]["members"] == ["10.20.0.5"]
        assert cosmos.etcd.writes == writes

    run(story())


def _domain(uid: str, *groups: str) -> dict[str, Any]:
    """What the node of a machine is told, whose plugin names groups."""
    named = [{"name": "default", "network": "default", "mac": MAC, "securityGroups": list(groups)}]
    spec = make_domain(virtualMachine={"name": WEB.name, "uid": uid}).spec.model_dump(mode="json", by_alias=True)
    return {"metadata": {"name": "web-1", "namespace": WEB.namespace}, "spec": {**spec, "interfaces": named}}


def test_interfaces_are_members_that_name_a_group_themselves_or_by_their_plugin_as_long_as_they_do() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await cosmos.create(interfaces=[*NAMING, {"name": "dmz"}])
        uid = cosmos.uids[0]
        await _address(cosmos, "10.20.0.5")
        await _address(cosmos, "10.20.0.6", "dmz")
        assert await _members(cosmos, controller, GROUP) == ["10.20.0.5"]
        made = await cosmos.client.create(kinds.DOMAIN, _domain(uid, GROUP.name, OTHER.name))
        assert await _members(cosmos, controller, OTHER) == ["10.20.0.5"]
        cosmos.etcd.put(kinds.DOMAIN, Key(WEB.namespace, "web-1"), {**made, "spec": _domain(uid)["spec"]})
        assert await _members(cosmos, controller, OTHER) == []

    run(story())


def test_a_machine_made_anew_unnoticed_is_another_member() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await cosmos.create(interfaces=NAMING)
        controller.caches.hear()
        found = cosmos.etcd.objects[kinds.VIRTUALMACHINE, WEB]
        cosmos.etcd.put(kinds.VIRTUALMACHINE, WEB, {**found, "metadata": {**found["metadata"], "uid": "anew"}})
        await _address(cosmos, "10.20.0.5")
        assert await _members(cosmos, controller, GROUP) == ["10.20.0.5"]
        assert controller.world.members.users(("securitygroups", str(GROUP))) == ("anew default",)

    run(story())


async def _members(cosmos: Cosmos, controller: Controller, group: Key) -> list[str]:
    """Members of a group that is looked at because of what was heard."""
    assert group in _waiting(controller, kinds.SECURITYGROUP)
    await securitygroup.reconcile(group, controller.world)
    found: list[str] = cosmos.etcd.objects[kinds.SECURITYGROUP, group].get("status", {}).get("members") or []
    return found


def test_a_group_is_looked_at_when_a_machine_names_it_and_when_that_machines_address_comes() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await cosmos.create(interfaces=NAMING)
        assert _waiting(controller, kinds.SECURITYGROUP) == {GROUP}
        await _address(cosmos, "10.20.0.5")
        assert _waiting(controller, kinds.SECURITYGROUP) == {GROUP}

    run(story())


def test_a_change_of_rules_has_the_other_groups_of_the_namespace_looked_at_but_a_status_has_not() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        rules = {"rules": [{"name": "r", "from": {"securityGroups": [OTHER.name]}}]}
        cosmos.etcd.put(kinds.SECURITYGROUP, GROUP, {**cosmos.etcd.objects[kinds.SECURITYGROUP, GROUP], "spec": rules})
        assert _waiting(controller, kinds.SECURITYGROUP) == {GROUP, OTHER}
        await securitygroup.reconcile(GROUP, controller.world)
        assert _waiting(controller, kinds.SECURITYGROUP) == set()

    run(story())


def test_a_machine_is_looked_at_when_a_group_that_it_names_comes_or_goes() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        controller.world.links.refer(WEB, frozenset({("securitygroups", str(GROUP))}))
        await cosmos.client.delete(
            kinds.SECURITYGROUP, GROUP, uid=cosmos.etcd.objects[kinds.SECURITYGROUP, GROUP]["metadata"]["uid"]
        )
        assert WEB in _waiting(controller, kinds.VIRTUALMACHINE)

    run(story())


def test_machines_are_looked_at_when_their_network_is_refused_and_networks_when_one_comes() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        controller.world.links.refer(WEB, frozenset({("virtualnetworks", "second")}))
        await cosmos.client.create(kinds.NETWORK, {"metadata": {"name": "second"}, "spec": TAKEN})
        assert _waiting(controller, kinds.NETWORK) == {Key("", "default"), Key("", "second")}
        await network.reconcile(Key("", "second"), controller.world)
        assert WEB in _waiting(controller, kinds.VIRTUALMACHINE)
        found = cosmos.etcd.objects[kinds.NETWORK, Key("", "second")]["status"]["conditions"]
        assert [each["reason"] for each in found] == ["SubnetOverlap", "SubnetOverlap"]

    run(story())


RIVALS = (Key("", "older"), Key("", "elder"))
OVERLAY = {"type": "Overlay", "overlay": {"vni": 7}}


async def _rivals(cosmos: Cosmos) -> None:
    """Have two networks that ask for the same number, made within one second."""
    for number, key in enumerate(RIVALS):
        subnets = [{"name": "v4", "cidr": f"10.{50 + number}.0.0/24", "gateway": f"10.{50 + number}.0.1"}]
        metadata = {"name": key.name, "uid": f"uid-{key.name}", "creationTimestamp": MOMENT, "generation": 1}
        cosmos.etcd.put(kinds.NETWORK, key, {"metadata": metadata, "spec": {**OVERLAY, "subnets": subnets}})


def _judged(cosmos: Cosmos) -> list[str]:
    """Who of them is accepted."""
    found = {key.name: cosmos.etcd.objects[kinds.NETWORK, key].get("status", {}) for key in RIVALS}
    told = ((name, each) for name, status in found.items() for each in status.get("conditions", ()))
    return [name for name, each in told if (each["type"], each["status"]) == ("Accepted", "True")]


@pytest.mark.parametrize("seed", range(8))
def test_of_two_networks_that_ask_for_the_same_at_once_never_both_are_accepted(seed: int) -> None:
    async def story() -> None:
        cosmos, controller = await _begin(seed)
        await _rivals(cosmos)
        both: list[list[str]] = []
        controller.cluster.on_write(lambda *_: both.append(_judged(cosmos)))
        controller.caches.hear(1)
        # The second comes to be known while what is said of the first is on its way.
        older = asyncio.create_task(network.reconcile(RIVALS[0], controller.world))
        await asyncio.sleep(0)
        controller.caches.hear()
        await asyncio.gather(older, *(network.reconcile(key, controller.world) for key in reversed(RIVALS)))
        assert max(map(len, both)) == 1

    run(story())


def test_of_two_networks_that_two_controllers_accepted_one_is_refused() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await _rivals(cosmos)
        _settled(controller)
        for key in RIVALS:
            cosmos.etcd.put(kinds.NETWORK, key, {**cosmos.etcd.objects[kinds.NETWORK, key], "status": ACCEPTED})
            while waiting := _waiting(controller, kinds.NETWORK):
                for each in waiting:
                    await network.reconcile(each, controller.world)
        assert len(_judged(cosmos)) == 1

    run(story())


SERVICE = Key("shop", "front")
SELECTOR = {"drover.dev/app": "web"}
GUEST = {"type": "GuestReady", "reason": "Running", "lastTransitionTime": MOMENT}


async def _published(cosmos: Cosmos, controller: Controller) -> list[Any]:
    """What the Service leads to after the controller has looked at it."""
    controller.caches.hear()
    await service.reconcile(SERVICE, controller.world)
    found = [body for (kind, _), body in cosmos.etcd.objects.items() if kind == kinds.ENDPOINTSLICE]
    return [ip for body in found for endpoint in body["endpoints"] for ip in endpoint["addresses"]]


async def _front(cosmos: Cosmos) -> None:
    """Have a Service and a running machine on a routed network."""
    routed = {"type": "Routed", "subnets": [{"name": "v4", "cidr": "10.21.0.0/24", "gateway": "10.21.0.1"}]}
    await cosmos.client.create(kinds.NETWORK, {"metadata": {"name": "routed"}, "spec": routed})
    metadata = {"name": SERVICE.name, "namespace": SERVICE.namespace}
    await cosmos.client.create(kinds.SERVICE, {"metadata": metadata, "spec": {"selector": SELECTOR}})
    await cosmos.create(interfaces=[{"name": "lan", "network": "routed"}])
    machine = cosmos.machine()
    assert machine is not None
    resolved = {"cores": 1, "memory": "1Gi", "cpuRequest": "1", "memoryRequest": "1Gi", "restartPolicy": "Always"}
    status = {
        "phase": "Running",
        "addresses": [{"interface": "lan", "ip": "10.21.0.2"}],
        "resolved": {**resolved, "terminationGracePeriodSeconds": 1, "networks": {"lan": "routed"}},
    }
    labelled = {**machine, "metadata": {**machine["metadata"], "labels": SELECTOR}, "status": status}
    cosmos.etcd.put(kinds.VIRTUALMACHINE, WEB, labelled)


def test_a_service_leads_to_the_machines_that_it_means_and_to_no_other() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await _front(cosmos)
        assert _waiting(controller, kinds.SERVICE) == {SERVICE}
        assert await _published(cosmos, controller) == ["10.21.0.2"]
        writes = cosmos.etcd.writes
        await _published(cosmos, controller)
        await service.reconcile(Key("shop", "gone"), controller.world)
        assert cosmos.etcd.writes == writes
        machine = cosmos.etcd.objects[kinds.VIRTUALMACHINE, WEB]
        cosmos.etcd.put(kinds.VIRTUALMACHINE, WEB, {**machine, "metadata": {**machine["metadata"], "labels": {}}})
        assert await _published(cosmos, controller) == []

    run(story())


async def _silence(cosmos: Cosmos) -> None:
    """Have a guest run and be ready, and then nothing be heard of its agent."""
    uid = cosmos.uids[0]
    told = {"conditions": [{**GUEST, "status": "True"}]}
    await cosmos.client.create(kinds.DOMAIN, {**_domain(uid), "status": told})
    machine = cosmos.etcd.objects[kinds.VIRTUALMACHINE, WEB]
    lost = {"phase": "Unknown", "nodeName": "n1", "conditions": [{**GUEST, "status": "Unknown"}]}
    cosmos.etcd.put(kinds.VIRTUALMACHINE, WEB, {**machine, "status": machine["status"] | lost})


def _kubelet(cosmos: Cosmos, status: str) -> None:
    node = cosmos.etcd.objects[kinds.NODE, Key("", "n1")]
    cosmos.etcd.put(
        kinds.NODE, Key("", "n1"), {**node, "status": {"conditions": [{"type": "Ready", "status": status}]}}
    )


def _ready(cosmos: Cosmos) -> list[bool]:
    found = [body for (kind, _), body in cosmos.etcd.objects.items() if kind == kinds.ENDPOINTSLICE]
    return [end["conditions"]["ready"] for body in found for end in body["endpoints"]]


def test_an_agent_that_is_away_takes_no_guest_out_of_service_but_a_node_that_is_does() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await _front(cosmos)
        await _silence(cosmos)
        _kubelet(cosmos, "True")
        await _published(cosmos, controller)
        assert _ready(cosmos) == [True]
        _settled(controller)
        _kubelet(cosmos, "Unknown")
        assert _waiting(controller, kinds.SERVICE) == {SERVICE}
        await _published(cosmos, controller)
        assert _ready(cosmos) == [False]
        _kubelet(cosmos, "Unknown")
        assert _waiting(controller, kinds.SERVICE) == set()

    run(story())


def test_a_machine_is_looked_at_when_a_service_means_it_and_says_so() -> None:
    async def story() -> None:
        cosmos, controller = await _begin()
        await _front(cosmos)
        _settled(controller)
        found = gather(WEB, controller.world)
        assert found is not None
        assert found.endpoints is not None
        assert found.endpoints.reason == "Published"
        front = cosmos.etcd.objects[kinds.SERVICE, SERVICE]
        cosmos.etcd.put(kinds.SERVICE, SERVICE, {**front, "status": {"loadBalancer": {}}})
        assert _waiting(controller, kinds.VIRTUALMACHINE) == set()
        cosmos.etcd.put(kinds.SERVICE, SERVICE, {**front, "spec": {"selector": {"drover.dev/app": "db"}}})
        assert _waiting(controller, kinds.VIRTUALMACHINE) == {WEB}

    run(story())
