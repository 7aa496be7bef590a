"""One sandbox of real nodes with Drover as its chart installs it; each test gets a namespace of its own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.install.cluster import Helm, find_helm
from tests.system.world import Tenant, World, make_kernel_image, numbered

NAMES = numbered("i")
TESTED = Path(os.environ.get("DROVER_TEST_INSTALL", ".sandbox-install")).absolute()


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Two real nodes; set DROVER_TEST_KEEP to find them still running afterwards."""
    world = World(TESTED)
    world.sandbox("up", "--kubelet", "Real", "--nodes", "2", "--controllers", "2", "--no-quickstart")
    world.kubectl("create", "namespace", "library") if world.get("namespace", "library") is None else None
    Tenant(world, "library").apply(make_kernel_image(allowedNamespaces={"from": "All"}))
    yield world
    if "DROVER_TEST_KEEP" not in os.environ:
        world.sandbox("down")


@pytest.fixture(scope="session")
def helm(world: World) -> Helm:
    """Helm, bound to the sandbox."""
    return find_helm(world)


@pytest.fixture
def tenant(world: World) -> Iterator[Tenant]:
    """An empty namespace, deleted with all that is in it."""
    name = next(NAMES)
    world.try_kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=120s")
    world.kubectl("create", "namespace", name)
    tenant = Tenant(world, name)
    yield tenant
    try:
        drift = tenant.drift()
    finally:
        world.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")
    assert not drift, drift


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Show what the cluster looked like when a test failed."""
    if call.when == "call" and call.excinfo is not None:
        kubectl = str(TESTED / "bin" / "kubectl")
        words = ["get", "node,pod,vm,dom,vol,hv", "-A", "-o", "wide"]
        shown = subprocess.run([kubectl, *words], capture_output=True, text=True, check=False, timeout=60)
        item.add_report_section("call", "cluster", shown.stdout[-6000:])
