"""Nodes are drained, lose power and come back: guests give way in order, nothing runs twice, nothing is torn away."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.system.world import BOOT, Machine, Tenant, World, eventually, hold

SILENCE = 90.0
"""Seconds until a node counts as lost, on a machine that is busy with others."""
FREE: dict[str, Any] = {"disk": None, "restartPolicy": "Always"}


@pytest.fixture
def nodes(world: World) -> Iterator[World]:
    """Both nodes, which machines may be bound to again afterwards."""
    yield world
    for node in ("n1", "n2"):
        world.sandbox("heal", node)
        world.kubectl("uncordon", node)


def start_on(tenant: Tenant, node: str, name: str = "web", **spec: Any) -> Machine:
    """Start a machine on a node that it is not bound to by its spec."""
    other = {"n1": "n2", "n2": "n1"}[node]
    tenant.world.kubectl("cordon", other)
    machine = tenant.start(name, **spec)
    tenant.world.kubectl("uncordon", other)
    assert machine.node == node
    return machine


def drain(tenant: Tenant, node: str, seconds: int = 90) -> str:
    """Drain a node of the machines of a namespace; gives what kubectl says of what it could not do."""
    words = ("drain", node, f"--pod-selector=tenant={tenant.namespace}", f"--timeout={seconds}s")
    return tenant.world.try_kubectl(*words).stderr


def labelled(tenant: Tenant, name: str, **spec: Any) -> Machine:
    """Start a machine on n1 whose anchor a drain of ours can choose."""
    return marked(start_on(tenant, "n1", name, **spec))


def marked(machine: Machine) -> Machine:
    """Have a drain of ours choose the machine's anchor."""
    tenant, name = machine.tenant, machine.name
    anchors = tenant.kubectl("get", "pod", "-o", "name", "-l", f"drover.dev/virtualmachine={name}").split()
    tenant.kubectl("label", *anchors, f"tenant={tenant.namespace}")
    return machine


def test_a_drain_moves_what_is_free_and_makes_what_has_a_disk_wait(tenant: Tenant, nodes: World) -> None:
    free, bound = labelled(tenant, "free", **FREE), labelled(tenant, "bound")

    assert "error" not in drain(tenant, "n1")

    eventually("the free one on n2", lambda: free.status.get("nodeName") == "n2", BOOT)
    free.ready()
    bound.reach("Scheduling")
    assert [each.status["lastStop"]["reason"] for each in (free, bound)] == ["Evicted", "Evicted"]
    nodes.kubectl("uncordon", "n1")
    bound.ready()
    assert (bound.node, bound.boots(), bound.status.get("restarts", 0)) == ("n1", 2, 0)


def test_a_machine_that_blocks_is_not_drained_and_its_guest_notices_nothing(tenant: Tenant, nodes: World) -> None:
    tenant.example("eviction")
    machine = marked(tenant.machine("stays").ready())
    uptime, node = machine.uptime(), machine.node
    eventually("the budget", lambda: nodes.get("pdb", "stays.anchor", tenant.namespace))

    assert "Cannot evict pod as it would violate the pod's disruption budget" in drain(tenant, node, 2)

    assert machine.ready().uptime() > uptime
    machine.patch(evictionPolicy="Stop")
    eventually("no budget", lambda: not nodes.get("pdb", "stays.anchor", tenant.namespace))
    assert "error" not in drain(tenant, node)
    eventually("it on the other", lambda: machine.status.get("nodeName") not in {node, None}, BOOT)
    machine.ready()


def test_a_machine_whose_node_lost_power_starts_elsewhere_when_somebody_says_so(tenant: Tenant, nodes: World) -> None:
    machine = start_on(tenant, "n1", **FREE)
    uid, boot = machine.uid, nodes.kubectl("get", "hv", "n1", "-o", "jsonpath={.status.bootID}")

    nodes.sandbox("power-off", "n1")
    machine.reach("Unknown", SILENCE)
    hold("nothing starts", lambda: uid not in running(nodes, "n2"), 5)
    nodes.kubectl("annotate", "node", "n1", f"drover.dev/fenced={boot}")

    eventually("it on n2", lambda: machine.status.get("nodeName") == "n2", BOOT)
    assert machine.ready().status["lastStop"]["reason"] == "HostFailure"
    uptime = machine.uptime()
    # A node that boots without the API server knows of no other order than that it should run the machine.
    nodes.sandbox("stop", "kube-apiserver")
    nodes.sandbox("power-on", "n1")
    eventually("libvirt on n1", lambda: uid in nodes.node("n1", "virsh", "list", "--all", "--uuid", check=False), 60)
    hold("nothing runs on n1", lambda: uid not in running(nodes, "n1"), 8)
    nodes.sandbox("start", "kube-apiserver")

    eventually("the API", lambda: nodes.try_kubectl("get", "vm").returncode == 0, 60)
    eventually(
        "n1 to be clean", lambda: uid not in nodes.node("n1", "virsh", "list", "--all", "--uuid", check=False), 60
    )
    eventually("one Domain", lambda: tenant.kubectl("get", "dom", "-o", "name").split() == ["domain.drover.dev/web-2"])
    eventually("no mark", lambda: "drover.dev/fenced" not in nodes.kubectl("get", "node", "n1", "-o", "yaml"), 30)
    assert machine.ready().uptime() > uptime
    assert uid in running(nodes, "n2")


def test_a_node_that_is_cut_off_keeps_its_guests_and_nobody_starts_a_second(tenant: Tenant, nodes: World) -> None:
    machine = start_on(tenant, "n1", **FREE)
    uptime = machine.uptime()

    nodes.sandbox("partition", "n1")
    machine.reach("Unknown", SILENCE)
    hold("no second", lambda: tenant.kubectl("get", "dom", "-o", "name").split() == ["domain.drover.dev/web-1"], 5)
    nodes.sandbox("heal", "n1")

    assert machine.ready().uptime() > uptime
    assert machine.node == "n1"


def running(world: World, node: str) -> str:
    """uuids of the guests that run on a node."""
    return world.node(node, "virsh", "list", "--uuid", check=False)
