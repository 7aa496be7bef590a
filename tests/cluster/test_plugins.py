"""Plugins on a real control plane, hosts in memory: revisions, pins, and what deleting one meets."""

from typing import Any

import pytest
from tests.cluster.stage import Stage, staged
from tests.system.world import World

from drover.api import kinds
from drover.api.kinds import Kind
from drover.kube.errors import Rejected
from drover.state.resource import Body

RESTART = "drover.dev/restartedAt=now"


async def _publish(stage: Stage, cores: int) -> None:
    """Apply the plugin of the test."""
    spec = {"version": str(cores), "template": {"cpu": {"cores": cores}}, "workload": {"type": "HTTP", "port": 80}}
    body = {"spec": spec}
    await stage.cluster.apply(kinds.PLUGIN, stage.key("nginx"), body, manager="test")


async def _eventually(stage: Stage, what: str, kind: Kind, name: str, look: Any) -> Body:
    async def seen() -> Body | None:
        found: Body = await stage.get(kind, name)
        return found if found and look(found) else None

    found: Body = await stage.until(what, seen)
    return found


async def test_a_machine_keeps_its_revision_until_it_is_restarted(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await stage.make("web", plugin="nginx")
        assert "there is no Plugin" in await stage.says("Accepted", "PluginNotFound")
        await _publish(stage, 1)
        first = (await stage.reach("Running"))["resolved"]
        assert (first["plugin"], first["readinessProbe"]) == (f"{stage.namespace}/nginx", {"httpGet": {"port": 80}})
        await _publish(stage, 2)
        assert "spec.cpu.cores is 1, 2 after a restart" in await stage.says("Synced", "RestartRequired")
        assert (await stage.get(kinds.DOMAIN, "web-1"))["spec"]["plugin"]["revision"] == first["pluginRevision"]
        await stage.kubectl("annotate", "vm", "web", RESTART)
        await stage.says("Synced", "Synced")
        assert (await stage.get(kinds.DOMAIN, "web-1"))["status"]["live"]["cores"] == 2


async def test_a_plugin_that_is_used_is_not_gone_before_its_users_are(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await _publish(stage, 1)
        await stage.make("web", plugin="nginx")
        await stage.reach("Running")
        used = [f"{stage.namespace}/web"]
        await _eventually(
            stage, "its user", kinds.PLUGIN, "nginx", lambda found: found["status"].get("inUseBy") == used
        )
        uid = (await stage.get(kinds.PLUGIN, "nginx"))["metadata"]["uid"]
        with pytest.raises(Rejected, match=f"Plugin nginx is in use by {used[0]}"):
            await stage.cluster.delete(kinds.PLUGIN, stage.key("nginx"), uid=uid)
        await stage.delete(kinds.VIRTUALMACHINE, "web")
        await stage.delete(kinds.PLUGIN, "nginx")
        await stage.gone(kinds.PLUGIN, "nginx")
        await stage.until("its revisions to be gone", lambda: _none(stage))


async def _none(stage: Stage) -> bool:
    return not await stage.all(kinds.REVISION)


async def test_cloud_init_that_is_no_yaml_is_named_with_its_line_and_heals(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage:
        await stage.start()
        await stage.make("web", cloudInit={"userData": "#cloud-config\npackages: [a\n"})
        assert "cloudInit.userData: line 2: " in await stage.says("Accepted", "InvalidCloudInit")
        await stage.change("web", cloudInit={"userData": "#cloud-config\npackages: [a]\n"})
        status = await stage.reach("Running")
        assert status["resolved"]["seed"] == {"hostname": "web", "sshAuthorizedKeys": 0, "userData": "Inline"}
