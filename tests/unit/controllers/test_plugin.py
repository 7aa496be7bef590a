"""Plugins and the machines that name them, told with the cluster in memory."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

from tests.unit.controllers.cosmos import Cosmos

from drover.api import kinds
from drover.controllers import securitygroup
from drover.planning.plugin import HISTORY
from drover.state.resource import Key

NGINX = Key("library", "nginx")
SHARED = {"allowedNamespaces": {"from": "All"}}


def run(story: Coroutine[Any, Any, None]) -> None:
    """Tell a story to its end."""
    asyncio.run(story)


async def begin(**spec: Any) -> Cosmos:
    """A cluster with a machine that names a plugin."""
    cosmos = Cosmos(Random(0))
    await cosmos.furnish()
    await cosmos.create(interfaces=[], plugin="library/nginx", **spec)
    return cosmos


async def publish(cosmos: Cosmos, **spec: Any) -> None:
    """Make the plugin, or change it."""
    found = cosmos.etcd.objects.get((kinds.PLUGIN, NGINX))
    content = {**SHARED, **spec}
    if found is None:
        metadata = {"name": NGINX.name, "namespace": NGINX.namespace}
        await cosmos.client.create(kinds.PLUGIN, {"metadata": metadata, "spec": content})
    else:
        meta = {**found["metadata"], "generation": found["metadata"]["generation"] + 1}
        cosmos.etcd.put(kinds.PLUGIN, NGINX, {**found, "metadata": meta, "spec": content})


def plugin(cosmos: Cosmos) -> dict[str, Any]:
    return cosmos.etcd.objects[kinds.PLUGIN, NGINX]


def domain(cosmos: Cosmos) -> dict[str, Any]:
    ((_, body),) = cosmos.etcd.every(kinds.DOMAIN)
    return body


def accepted(cosmos: Cosmos) -> str:
    conditions = (cosmos.machine() or {})["status"]["conditions"]
    return next(str(each["reason"]) for each in conditions if each["type"] == "Accepted")


def pending(cosmos: Cosmos) -> set[str]:
    return {each["path"] for each in (cosmos.machine() or {})["status"].get("pendingChanges", [])}


def test_a_plugin_that_appears_heals_the_machine_and_knows_its_user() -> None:
    async def story() -> None:
        cosmos = await begin()
        await cosmos.settle()
        assert (accepted(cosmos), cosmos.etcd.every(kinds.DOMAIN)) == ("PluginNotFound", [])
        await publish(cosmos, template={"cpu": {"cores": 3}})
        await cosmos.settle()
        assert domain(cosmos)["spec"]["machine"]["cores"] == 3
        assert domain(cosmos)["spec"]["plugin"]["revision"] == plugin(cosmos)["status"]["revision"]
        assert (plugin(cosmos)["status"]["inUseBy"], plugin(cosmos)["status"]["inUseCount"]) == (["shop/web"], 1)
        assert (cosmos.machine() or {})["status"]["resolved"]["plugin"] == "library/nginx"

    run(story())


def test_a_change_of_the_plugin_waits_for_a_restart_on_request() -> None:
    async def story() -> None:
        cosmos = await begin()
        await publish(cosmos, template={"cpu": {"cores": 2}})
        await cosmos.settle()
        await publish(cosmos, template={"cpu": {"cores": 4}, "disks": [{"name": "data", "size": "1Gi"}]})
        await cosmos.settle()
        assert pending(cosmos) == {"spec.cpu.cores", "spec.disks[data]", "spec.plugin"}
        assert domain(cosmos)["spec"]["machine"]["cores"] == 2
        cosmos.annotate("restartedAt")
        await cosmos.settle()
        assert (pending(cosmos), domain(cosmos)["spec"]["machine"]["cores"]) == (set(), 4)
        assert domain(cosmos)["status"]["live"]["disks"] == ["data web.data 1073741824 dev=vda"]

    run(story())


def test_a_machine_is_a_member_of_the_groups_that_its_plugin_names() -> None:
    async def story() -> None:
        cosmos = Cosmos(Random(0))
        await cosmos.furnish()
        group = Key("shop", "web-servers")
        await cosmos.client.create(
            kinds.SECURITYGROUP, {"metadata": {"name": group.name, "namespace": group.namespace}, "spec": {}}
        )
        await publish(cosmos, template={"interfaces": [{"name": "lan", "securityGroups": [group.name]}]})
        await cosmos.create(plugin="library/nginx")
        await cosmos.settle()
        world = cosmos.controllers[0].world
        cosmos.controllers[0].clock += 61.0
        assert cosmos.controllers[0].queues[kinds.SECURITYGROUP].take() == group
        await securitygroup.reconcile(group, world)
        (address,) = (cosmos.machine() or {})["status"]["addresses"]
        assert cosmos.etcd.objects[kinds.SECURITYGROUP, group]["status"]["members"] == [address["ip"]]

    run(story())


def test_a_plugin_goes_with_its_namespace_although_it_is_used_elsewhere() -> None:
    async def story() -> None:
        cosmos = await begin()
        await cosmos.client.create(kinds.NAMESPACE, {"metadata": {"name": "library"}})
        await publish(cosmos)
        await cosmos.settle()
        cosmos.etcd.mark(kinds.PLUGIN, NGINX)
        await cosmos.settle()
        assert (kinds.PLUGIN, NGINX) in cosmos.etcd.objects
        library = cosmos.etcd.objects[kinds.NAMESPACE, Key("", "library")]
        ending = {**library, "metadata": {**library["metadata"], "deletionTimestamp": "2026-11-21T12:00:00Z"}}
        cosmos.etcd.put(kinds.NAMESPACE, Key("", "library"), ending)
        await cosmos.settle()
        assert (kinds.PLUGIN, NGINX) not in cosmos.etcd.objects

    run(story())


def test_a_disabled_plugin_takes_no_new_machine_and_leaves_the_others() -> None:
    async def story() -> None:
        cosmos = await begin()
        await publish(cosmos)
        await cosmos.settle()
        await publish(cosmos, state="Disabled")
        cosmos.annotate("restartedAt")
        await cosmos.settle()
        assert accepted(cosmos) == "Accepted"
        cosmos.delete()
        await cosmos.settle()
        await cosmos.create(interfaces=[], plugin="library/nginx")
        await cosmos.settle()
        assert accepted(cosmos) == "PluginDisabled"

    run(story())


def test_a_namespace_that_may_use_the_plugin_one_day_heals_then() -> None:
    async def story() -> None:
        cosmos = await begin()
        await publish(cosmos, allowedNamespaces={"from": "Selector", "selector": {"matchLabels": {"team": "a"}}})
        await cosmos.settle()
        assert accepted(cosmos) == "NotAllowed"
        shop = cosmos.etcd.objects[kinds.NAMESPACE, Key("", "shop")]
        labelled = {**shop, "metadata": {**shop["metadata"], "labels": {"team": "a"}}}
        cosmos.etcd.put(kinds.NAMESPACE, Key("", "shop"), labelled)
        await cosmos.settle()
        assert accepted(cosmos) == "Accepted"

    run(story())


def test_a_plugin_outlives_its_users() -> None:
    async def story() -> None:
        cosmos = await begin()
        await publish(cosmos)
        await cosmos.settle()
        cosmos.etcd.mark(kinds.PLUGIN, NGINX)
        await cosmos.settle()
        assert "in use by shop/web" in plugin(cosmos)["status"]["conditions"][0]["message"]
        cosmos.delete()
        await cosmos.settle()
        assert cosmos.etcd.every(kinds.PLUGIN) == []
        assert cosmos.left() == {}

    run(story())


def test_revisions_do_not_pile_up_but_the_one_in_use_stays() -> None:
    async def story() -> None:
        cosmos = await begin()
        await publish(cosmos, version="0")
        await cosmos.settle()
        used = plugin(cosmos)["status"]["revision"]
        for number in range(1, HISTORY + 4):
            await publish(cosmos, version=str(number))
            await cosmos.settle()
        kept = [key.name for key, _ in cosmos.etcd.every(kinds.REVISION)]
        assert len(kept) == HISTORY + 2
        assert {used, plugin(cosmos)["status"]["revision"]} <= set(kept)

    run(story())


def test_a_revision_that_somebody_deleted_is_told_and_a_restart_takes_the_present_one() -> None:
    async def story() -> None:
        cosmos = await begin()
        await publish(cosmos, version="1")
        await cosmos.settle()
        used = plugin(cosmos)["status"]["revision"]
        await publish(cosmos, version="2")
        await cosmos.settle()
        cosmos.etcd.mark(kinds.REVISION, Key("library", used))
        await cosmos.settle()
        assert (accepted(cosmos), domain(cosmos)["status"]["state"]) == ("PluginNotFound", "Running")
        cosmos.annotate("restartedAt")
        await cosmos.settle()
        assert accepted(cosmos) == "Accepted"
        assert domain(cosmos)["spec"]["plugin"]["revision"] == plugin(cosmos)["status"]["revision"]

    run(story())
