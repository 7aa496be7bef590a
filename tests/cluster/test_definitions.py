"""CRDs that are deleted and come back: what runs goes on."""

import asyncio
from pathlib import Path

from tests.cluster.stage import Stage, staged
from tests.system.world import World

from drover.api import kinds

CRDS = Path(__file__).resolve().parents[2] / "crds"


async def test_domains_that_vanish_with_their_definition_are_made_anew_around_the_same_guests(
    cluster_sandbox: World,
) -> None:
    async with staged(cluster_sandbox) as stage:
        await stage.start()
        uid = await stage.make("web")
        node = (await stage.reach("Running"))["nodeName"]
        stage.agents.orphaning = True
        await _again(stage, "domains.drover.dev")
        await stage.until("the next Domain", lambda: stage.get(kinds.DOMAIN, "web-2"), 60.0)
        assert (await stage.reach("Running"))["nodeName"] == node
        assert (stage.agents.on(uid), stage.agents.hosts[node].guests[uid].starts) == ([node], 1)


async def _again(stage: Stage, name: str) -> None:
    await asyncio.to_thread(stage.world.kubectl, "delete", "crd", name, "--timeout=60s")
    stage.agents.orphaning = False
    await asyncio.to_thread(stage.world.kubectl, "apply", "--server-side", "-f", str(CRDS / f"{name}.yaml"))
    await asyncio.to_thread(stage.world.kubectl, "wait", "--for=condition=Established", f"crd/{name}")
