"""One sandbox for all system tests; each test gets a namespace of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.support import server
from tests.system.world import (
    Machine,
    Object,
    Tenant,
    World,
    eventually,
    make_kernel_image,
    make_machine,
    numbered,
    told,
)

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


@contextmanager
def moved_in(world: World) -> Iterator[Tenant]:
    """Have an empty namespace, which is deleted with all that is in it."""
    name = next(NAMES)
    if world.get("namespace", name) is not None:
        world.kubectl("delete", "namespace", name, "--timeout=120s")
    config, kind = world.state / "kubeconfig", server.KINDS["namespace"]
    server.create(config, kind, {"metadata": {"name": name}})
    try:
        yield Tenant(world, name)
    finally:
        # Not waited for here: that a namespace ends is looked at once, after all tests.
        server.delete(config, kind, name, "")


@pytest.fixture
def tenant(world: World) -> Iterator[Tenant]:
    """A namespace of the test's own."""
    with moved_in(world) as tenant:
        yield tenant
        assert not (drift := tenant.drift()), drift


@pytest.fixture(scope="module")
def home(world: World) -> Iterator[Tenant]:
    """A namespace that the tests of a module share."""
    with moved_in(world) as tenant:
        yield tenant


@pytest.fixture
def machine(home: Tenant) -> Iterator[Machine]:
    """A tiny machine that runs as it was applied; it may have done so for other tests of its module before."""
    yield in_order(home, make_machine("web"))
    assert not (drift := home.drift()), drift


def in_order(home: Tenant, wanted: Object) -> Machine:
    """Make the machine, or bring back to order what another test left."""
    machine = home.machine("web")
    if home.world.get("vm", "web", home.namespace) is not None:
        with suppress(AssertionError):
            return machine.renew(wanted)
        machine.delete()
    home.apply(wanted)
    return machine.ready()


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Show what the cluster looked like when a test failed."""
    if call.when == "call" and call.excinfo is not None:
        kubectl = str(TESTED / "bin" / "kubectl")
        words = ["get", "vm,dom,pod,vol,netaddr,hv", "-A", "-o", "wide"]
        shown = subprocess.run([kubectl, *words], capture_output=True, text=True, check=False, timeout=60)
        item.add_report_section("call", "cluster", shown.stdout[-6000:])
