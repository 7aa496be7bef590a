"""Networks that are made at the same moment, or deleted while machines are on them, on a real API server."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.cluster.stage import Stage, staged
from tests.system.world import World

from drover.api import kinds
from drover.kube.errors import Rejected
from drover.state.resource import Body, Key

PAIRS = 8


def _overlay(pair: int, *, half: int, vni: int, cidr: str = "", zone: str = "") -> Body:
    base = cidr or f"10.{100 + pair}.{half}.0/24"
    subnet = {"name": "v4", "cidr": base, "gateway": base.replace(".0/24", ".1")}
    spec: dict[str, Any] = {"type": "Overlay", "overlay": {"vni": vni}, "subnets": [subnet]}
    return {"metadata": {"name": f"pair{pair}-{half}"}, "spec": spec | ({"zone": zone} if zone else {})}


def _same_number(pair: int, half: int) -> Body:
    return _overlay(pair, half=half, vni=7000 + pair)


def _same_subnet(pair: int, half: int) -> Body:
    return _overlay(pair, half=half, vni=8000 + 2 * pair + half, cidr=f"10.{100 + pair}.0.0/24")


def _own_zones(pair: int, half: int) -> Body:
    return _overlay(pair, half=half, vni=9000 + pair, cidr=f"10.{100 + pair}.0.0/24", zone=f"z{half}")


def _accepted(network: Body) -> Mapping[str, Any]:
    told = network.get("status", {}).get("conditions", ())
    return next((each for each in told if each["type"] == "Accepted"), {})


@asynccontextmanager
async def _networks(stage: Stage) -> AsyncIterator[None]:
    """Have the networks of a test taken away after it."""
    try:
        yield
    finally:
        for each in (await stage.cluster.list(kinds.NETWORK)).items:
            if each["metadata"]["name"].startswith("pair"):
                await stage.cluster.delete(
                    kinds.NETWORK, Key("", each["metadata"]["name"]), uid=each["metadata"]["uid"]
                )


async def _judged(stage: Stage) -> list[list[Mapping[str, Any]]]:
    """What is said of each pair, if it is said of all."""
    listed = (await stage.cluster.list(kinds.NETWORK)).items
    told = {each["metadata"]["name"]: _accepted(each) for each in listed}
    pairs = [[told.get(f"pair{pair}-{half}", {}) for half in range(2)] for pair in range(PAIRS)]
    return pairs if all(each for pair in pairs for each in pair) else []


@pytest.mark.parametrize(
    ("make", "reasons"),
    [
        pytest.param(_same_number, ["Accepted", "VNITaken"], id="the same number"),
        pytest.param(_same_subnet, ["Accepted", "SubnetOverlap"], id="the same subnet"),
        pytest.param(_own_zones, ["Accepted", "Accepted"], id="in zones of their own"),
    ],
)
async def test_of_networks_made_at_once_that_ask_for_the_same_one_is_accepted(
    cluster_sandbox: World, make: Any, reasons: list[str]
) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage, _networks(stage):
        await stage.start()
        bodies = [make(pair, half) for pair in range(PAIRS) for half in range(2)]
        await asyncio.gather(*(stage.cluster.create(kinds.NETWORK, body) for body in bodies))
        pairs = await stage.until("all to be judged", lambda: _judged(stage))
        assert [sorted(each["reason"] for each in pair) for pair in pairs] == [reasons] * PAIRS
        await asyncio.sleep(1.0)
        assert await _judged(stage) == pairs


async def test_a_network_with_machines_on_it_is_not_deleted_and_names_them(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox, lasting=True) as stage, _networks(stage):
        await stage.start()
        made = await stage.cluster.create(kinds.NETWORK, _same_number(0, 0))
        key, uid = Key("", made["metadata"]["name"]), made["metadata"]["uid"]
        await stage.make(interfaces=[{"name": "lan", "network": key.name}])
        await stage.reach("Running")
        await stage.until("its user to be told", lambda: _used(stage, key))
        with pytest.raises(Rejected, match=f"in use by {stage.namespace}/web"):
            await stage.cluster.delete(kinds.NETWORK, key, uid=uid)
        await stage.delete(kinds.VIRTUALMACHINE, "web")
        await stage.gone(kinds.VIRTUALMACHINE)
        await stage.until("its user to be gone", lambda: _unused(stage, key))


async def _used(stage: Stage, key: Key) -> bool:
    found = await stage.cluster.get(kinds.NETWORK, key) or {}
    return bool(found.get("status", {}).get("inUseBy"))


async def _unused(stage: Stage, key: Key) -> bool:
    return not await _used(stage, key)
