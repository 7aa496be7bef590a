"""One real control plane without nodes for all tests of this tier: with Drover's kinds, accounts and policies only."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster import controllers
from tests.system.world import World, eventually, make_object

ROOT = Path(__file__).resolve().parents[2]
OFFERED = "example.com/card"
"""Resource of devices that the controller may count."""
TESTED = Path(os.environ.get("DROVER_TEST_CLUSTER", ROOT / ".sandbox-cluster")).absolute()


@pytest.fixture(scope="session")
def cluster_sandbox() -> Iterator[World]:
    """API server, scheduler and controller manager with what the chart makes but processes.

    Set DROVER_TEST_KEEP to keep them afterwards.
    """
    world = World(TESTED)
    world.sandbox("up", "--kubelet", "Kwok", "--no-drover", "--nodes", "0")
    world.kubectl("apply", "--server-side", "--force-conflicts", *_files("crds", "manifests/rbac.yaml"))
    world.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    offer(world)
    _wait_for_policies(world)
    yield world
    if "DROVER_TEST_KEEP" not in os.environ:
        world.sandbox("down")


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    """No module of tests has a controller of another one behind its back."""
    yield
    controllers.dismiss()


def offer(world: World) -> None:
    """Let the controller count the devices of the tests, as the chart does for hostDevices."""
    offered = [{"op": "replace", "path": "/spec/variables/0/expression", "value": f"['{OFFERED}']"}]
    policy = ("validatingadmissionpolicy", "drover-controller-node-status")
    world.kubectl("patch", *policy, "--type=json", "-p", json.dumps(offered))


def _files(*paths: str) -> list[str]:
    return [word for path in paths for word in ("-f", str(ROOT / path))]


def _wait_for_policies(world: World) -> None:
    """Wait until the API server asks its policies, which takes it a moment after they were made."""
    address = {"network": "probe", "macAddress": "02:00:00:00:00:01", "interface": "lan"}
    owner = {"virtualMachine": {"namespace": "default", "name": "probe", "uid": "probe"}}
    body = make_object("NetworkAddress", "probe", address | owner)

    def refused() -> bool:
        done = world.try_kubectl("create", "--dry-run=server", "-f", "-", given=json.dumps(body))
        return "only the controller" in done.stderr

    eventually("the policies to be in force", refused)
