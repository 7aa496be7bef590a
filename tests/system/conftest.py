"""One sandbox for all system tests; each test gets a namespace of its own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.world import Tenant, World, eventually, make_kernel_image, numbered, told

NAMES = numbered("t")
TESTED = Path(os.environ.get("DROVER_TEST_SANDBOX", ".sandbox-test")).absolute()


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """A sandbox of two nodes; set DROVER_TEST_KEEP to find it still running afterwards."""
    world = World(TESTED)
    world.sandbox("up", "--kubelet", "Kwok", "--nodes", "2", "--no-quickstart", *told())
    world.kubectl("create", "namespace", "library") if world.get("namespace", "library") is None else None
    Tenant(world, "library").apply(make_kernel_image(allowedNamespaces={"from": "All"}))
    yield world
    eventually(
        "every namespace of a test to end", lambda: not [name for name in namespaces(world) if name[0] == "t"], 200
    )
    if "DROVER_TEST_KEEP" not in os.environ:
        world.sandbox("down")


def namespaces(world: World) -> list[str]:
    """Names of all namespaces."""
    return world.kubectl("get", "namespace", "-o", "jsonpath={.items[*].metadata.name}").split()


@pytest.fixture
def tenant(world: World) -> Iterator[Tenant]:
    """An empty namespace, deleted with all that is in it."""
    name = next(NAMES)
    if world.get("namespace", name) is not None:
        world.kubectl("delete", "namespace", name, "--timeout=120s")
    world.kubectl("create", "namespace", name)
    tenant = Tenant(world, name)
    yield tenant
    try:
        drift = tenant.drift()
    finally:
        # Not waited for here: that a namespace ends is looked at once, after all tests.
        world.kubectl("delete", "namespace", name, "--wait=false")
    assert not drift, drift


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Show what the cluster looked like when a test failed."""
    if call.when == "call" and call.excinfo is not None:
        kubectl = str(TESTED / "bin" / "kubectl")
        words = ["get", "vm,dom,pod,vol,netaddr,hv", "-A", "-o", "wide"]
        shown = subprocess.run([kubectl, *words], capture_output=True, text=True, check=False, timeout=60)
        item.add_report_section("call", "cluster", shown.stdout[-6000:])
