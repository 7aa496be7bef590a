"""Nodes with a real kubelet are drained and lose power: what their anchors stand for goes and comes as it says."""

from collections.abc import Iterator

import pytest
from tests.system.test_nodes import FREE, SILENCE, running, start_on
from tests.system.world import BOOT, Tenant, World, eventually, hold

RETURN = 180.0
"""Seconds until kubelet, containerd and agent of a node that was switched on are at work."""


@pytest.fixture
def nodes(world: World) -> Iterator[World]:
    """Both nodes, which pods may be bound to again afterwards."""
    yield world
    world.kubectl("uncordon", "n1", "n2")


def test_a_whole_node_is_drained_and_its_machine_goes_on_elsewhere(tenant: Tenant, nodes: World) -> None:
    machine = start_on(tenant, "n1", **FREE)

    nodes.kubectl("drain", "n1", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")

    eventually("it on n2", lambda: machine.status.get("nodeName") == "n2", BOOT)
    machine.ready()
    assert (machine.status["lastStop"]["reason"], machine.status.get("restarts", 0)) == ("Evicted", 0)
    assert machine.uid not in running(nodes, "n1")


@pytest.mark.long
def test_a_node_without_power_gives_its_machine_up_when_it_is_tainted_and_cleans_up_later(
    tenant: Tenant, nodes: World
) -> None:
    machine = start_on(tenant, "n1", **FREE)
    uid = machine.uid
    nodes.sandbox("power-off", "n1")
    machine.reach("Unknown", SILENCE)
    hold("nothing starts", lambda: uid not in running(nodes, "n2"), 5)

    nodes.kubectl("taint", "node", "n1", "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")
    eventually("it on n2", lambda: machine.status.get("nodeName") == "n2", BOOT)
    machine.ready()
    nodes.sandbox("power-on", "n1")
    nodes.kubectl("taint", "node", "n1", "node.kubernetes.io/out-of-service-")

    nodes.kubectl("wait", "--for=condition=Ready", "node/n1", "hv/n1", f"--timeout={RETURN:.0f}s")
    eventually("n1 to be clean", lambda: uid not in nodes.node("n1", "virsh", "list", "--all", "--uuid"), 60)
    assert uid in running(nodes, "n2")
