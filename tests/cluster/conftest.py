"""One real control plane without nodes and without Drover for all tests of this tier."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.world import World

ROOT = Path(__file__).resolve().parents[2]
TESTED = Path(os.environ.get("DROVER_TEST_CLUSTER", ROOT / ".sandbox-cluster")).absolute()


@pytest.fixture(scope="session")
def cluster_sandbox() -> Iterator[World]:
    """API server, scheduler and controller manager with our CRDs; set DROVER_TEST_KEEP to keep them afterwards."""
    world = World(TESTED)
    world.sandbox("up", "--no-drover", "--nodes", "0")
    world.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    world.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    yield world
    if "DROVER_TEST_KEEP" not in os.environ:
        world.sandbox("down")
