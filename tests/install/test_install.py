"""Drover installed by Helm on nodes that run containers: what users do, and what their guests notice of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.install import cluster
from tests.install.cluster import Helm
from tests.system.world import EXAMPLES, Machine, Tenant, World, eventually, hold, make_machine

from drover.sandbox import cache
from drover.sandbox.layout import NAMESPACE

GAP = 20.0


def test_the_first_machine_is_three_commands_away(world: World) -> None:
    world.kubectl("apply", "-f", str(EXAMPLES / "quickstart.yaml"))
    world.kubectl("wait", "--for=condition=Ready", "vm/hello", "--timeout=90s")

    hello = Tenant(world, "default").machine("hello")
    assert world.http(hello.ip) == "hello from hello\n"
    hello.delete()


def test_the_release_passes_its_own_test(helm: Helm) -> None:
    assert "Phase:          Succeeded" in helm.run("test", "drover", "--timeout", "90s")


def test_a_namespace_that_asks_for_restricted_pods_runs_machines(world: World, tenant: Tenant) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    world.kubectl("label", "namespace", tenant.namespace, label, f"{label.replace('enforce', 'warn')}")

    assert tenant.start().ask("/hostname") == "web\n"


def test_a_namespace_goes_with_the_machines_in_it(world: World, tenant: Tenant) -> None:
    tenant.start()

    world.kubectl("delete", "namespace", tenant.namespace, "--timeout=60s")


def delete(world: World, node: str) -> None:
    world.kubectl("-n", NAMESPACE, "delete", "pod", cluster.agent(world, node)["metadata"]["name"])


def evict(world: World, node: str) -> None:
    name = cluster.agent(world, node)["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction"
    world.kubectl("create", "--raw", path, "-f", "-", given=json.dumps(body))


def kill(world: World, node: str) -> None:
    for pid in cluster.agent_pids(world, node):
        world.node(node, "kill", "-9", pid)


@pytest.fixture(scope="module")
def guest(world: World) -> Machine:
    """One guest that all ends of its agent are tried on."""
    tenant = Tenant(world, "undisturbed")
    world.kubectl("create", "namespace", tenant.namespace)
    return tenant.start()


@pytest.mark.parametrize("end", [delete, evict, kill], ids=lambda end: end.__name__)
def test_a_guest_does_not_notice_the_end_of_its_agent(
    world: World, guest: Machine, end: Callable[[World, str], None]
) -> None:
    before, ended = cluster.life(guest), cluster.run_of(cluster.agent(world, guest.node))
    end(world, guest.node)

    cluster.agent_serves(world, guest.node, other_than=ended)
    assert before.unbroken


def test_a_guest_does_not_notice_that_its_agent_lacks_memory(world: World, guest: Machine, helm: Helm) -> None:
    before = cluster.life(guest)
    limit_agents(world, "24Mi")

    eventually("an agent to run out of memory", lambda: any(cluster.out_of_memory(world)), 90)
    assert before.unbroken
    helm.install()
    assert before.unbroken


def limit_agents(world: World, memory: str) -> None:
    resources = {"requests": {"memory": memory}, "limits": {"memory": memory}}
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "agent", "resources": resources}]}}}}
    words = ("-n", NAMESPACE, "patch", "daemonset", "drover-agent", "--type=strategic", "-p", json.dumps(patch))
    world.kubectl(*words)


def test_guests_do_not_notice_an_upgrade(world: World, tenant: Tenant, helm: Helm, tmp_path: Path) -> None:
    lives = [cluster.life(machine) for machine in start_one_on_each_node(tenant)]
    changed = install_next_version(world, tmp_path)
    before = cluster.conditions(world)

    with cluster.heartbeats(world) as beats:
        helm.install("--set", f"image.tag={changed.rsplit(':', 1)[1]}")
    assert cluster.current_image(world) == changed
    assert [life.machine.name for life in lives if not life.unbroken] == []
    assert cluster.conditions(world) == before
    assert beats.longest_gap() <= GAP


def start_one_on_each_node(tenant: Tenant) -> list[Machine]:
    nodes = {"a": "n1", "b": "n2"}
    machines = [make_machine(name, nodeSelector={"kubernetes.io/hostname": node}) for name, node in nodes.items()]
    tenant.apply(*machines)
    return [tenant.machine(name).ready() for name in nodes]


def install_next_version(world: World, room: Path) -> str:
    tag = cluster.current_image(world).rsplit(":", 1)[1]
    archive = cache.root() / "image" / tag / "image.tar"
    reference = cluster.next_version(archive, room / "next.tar", f"{tag}-next")
    cluster.import_image(world, room / "next.tar")
    return reference


def test_what_helm_uninstalls_leaves_guests_alone_and_what_it_installs_again_adopts_them(
    world: World, guest: Machine, helm: Helm
) -> None:
    before = cluster.life(guest)

    assert "guests-run-on" in helm.run("uninstall", "drover", "--wait", "--cascade", "foreground")
    assert world.list("pod", "-n", NAMESPACE) == []
    assert "virtualmachines.drover.dev" in world.kubectl("get", "crd", "-o", "name")
    hold("the guest runs on", lambda: guest.ask("/hostname") == "web\n", 2)

    helm.install()
    guest.ready()
    assert before.unbroken
