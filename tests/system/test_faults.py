"""Any process may die at any moment: no guest notices, and everything ends as its spec says."""

import json
import random
import ssl
import urllib.request
from collections.abc import Iterator

import pytest
from tests.system.world import BOOT, SOURCE, Machine, Object, Tenant, World, eventually, hold, make_machine, told

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
COMPONENTS = ("controller", "agent-n1", "libvirtd-n1", "kube-apiserver", "etcd")


@pytest.fixture(autouse=True)
def swept(tenant: Tenant) -> Iterator[None]:
    """Leave no machine for the namespace to delete.

    An API server that is killed meanwhile, as the next test may do, finishes the namespace before it knows of machines.
    """
    yield
    tenant.kubectl("delete", "vm", "--all", "--timeout=120s")


def test_no_guest_notices_the_death_of(tenant: Tenant, world: World) -> None:
    machine = tenant.start(nodeSelector={"kubernetes.io/hostname": "n1"})
    for number, component in enumerate(COMPONENTS):
        uptime = machine.uptime()

        world.sandbox("kill", component)

        eventually("the API", lambda: world.try_kubectl("get", "vm").returncode == 0, 60)
        tenant.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"alive-{number}"}})
        machine.patch(terminationGracePeriodSeconds=11 + number)
        eventually(f"work to go on after {component}", lambda: is_seen(machine), 60)
        assert machine.ready(60).uptime() >= uptime, component
    assert machine.boots() == 1


def is_seen(machine: Machine) -> bool:
    """Whether the controller has seen what a machine is asked to be now."""
    found = machine.object
    return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])


@pytest.mark.parametrize("cycles", [8, pytest.param(40, marks=pytest.mark.long)])
def test_machines_end_as_specified_whatever_dies_meanwhile(tenant: Tenant, world: World, cycles: int) -> None:
    chance = random.Random(20)
    keeper = tenant.start("keeper")
    for cycle in range(cycles):
        name = f"cycle{cycle % 3}"
        tenant.apply(_cycle_machine(name, chance.choice(["Running", "Stopped"])))
        world.sandbox("kill", chance.choice(COMPONENTS))
        eventually("the API", lambda: world.try_kubectl("get", "vm").returncode == 0, 60)
        if chance.random() < 0.4:
            tenant.kubectl("delete", "vm", name, "--wait=false")

    found = [item["metadata"] for item in world.list("vm", "-n", tenant.namespace)]
    for name in (each["name"] for each in found if "deletionTimestamp" not in each):
        tenant.machine(name).ready(BOOT)
    assert keeper.boots() == 1
    tenant.kubectl("delete", "vm", "--all", "--timeout=120s")
    assert_nothing_left(world, tenant)


def test_guests_outlive_the_definition_of_their_domains(tenant: Tenant, world: World) -> None:
    machine = tenant.start()
    uid, ip, node = machine.uid, machine.ip, machine.node
    uptime = machine.uptime()

    world.kubectl("delete", "crd", "domains.drover.dev", "--timeout=60s")
    hold("the guest answers", lambda: world.http(ip, "/boots") is not None, 3)
    assert uid in world.node(node, "virsh", "list", "--uuid")
    world.kubectl("apply", "--server-side", "-f", str(SOURCE.parent / "crds"))

    eventually("a Domain again", lambda: tenant.kubectl("get", "dom", "-o", "name"), 60)
    assert machine.ready(60).uptime() >= uptime
    assert machine.boots() == 1


def test_a_machine_applied_anew_takes_over_the_guest_that_was_left(tenant: Tenant, world: World) -> None:
    spec = make_machine("web")
    tenant.apply(spec)
    machine = tenant.machine("web").ready()
    uid, ip, node, uptime = machine.uid, machine.ip, machine.node, machine.uptime()
    mac, volume = (
        machine.status["addresses"][0]["mac"],
        tenant.kubectl("get", "vol", "-o", "jsonpath={.items[*].metadata.uid}"),
    )

    world.kubectl("delete", "crd", "virtualmachines.drover.dev", "--timeout=90s")
    hold("the guest runs on", lambda: uid in world.node(node, "virsh", "list", "--uuid"), 3)
    eventually("the orphan to be told", lambda: uid in orphans(world, node), 60)
    world.kubectl("apply", "--server-side", "-f", str(SOURCE.parent / "crds"))
    eventually("machines again", lambda: world.try_kubectl("get", "vm").returncode == 0, 60)
    tenant.apply(spec)

    machine.ready(90)
    assert (machine.uid != uid, machine.ip, machine.node, machine.status["guestUUID"]) == (True, ip, node, uid)
    assert machine.status["addresses"][0]["mac"] == mac
    assert tenant.kubectl("get", "vol", "-o", "jsonpath={.items[*].metadata.uid}") == volume
    assert (machine.uptime() >= uptime, machine.boots()) == (True, 1)
    machine.delete()
    assert_nothing_left(world, tenant)


@pytest.mark.long
def test_a_node_that_boots_without_the_api_starts_nothing(tenant: Tenant, world: World) -> None:
    machine = tenant.start(nodeSelector={"kubernetes.io/hostname": "n2"})
    uid = machine.uid

    world.sandbox("stop", "kube-apiserver")
    world.sandbox("power-off", "n2")
    world.sandbox("power-on", "n2")
    eventually("libvirt on n2", lambda: uid in world.node("n2", "virsh", "list", "--all", "--uuid", check=False), 60)
    hold("nothing runs on n2", lambda: uid not in world.node("n2", "virsh", "list", "--uuid", check=False), 8)
    world.sandbox("start", "kube-apiserver")

    eventually("the API", lambda: world.try_kubectl("get", "vm").returncode == 0, 60)
    eventually("the second boot", lambda: (machine.ask("/boots") or "").strip() == "2", BOOT)
    eventually("HostFailure", lambda: machine.status.get("lastStop", {}).get("reason") == "HostFailure", 30)
    machine.ready()


def assert_nothing_left(world: World, tenant: Tenant) -> None:
    """No object and no trace on a node of a namespace whose machines are deleted."""
    assert tenant.kubectl("get", "vm,dom,pod,vol", "-o", "name") == ""
    owners = [a["spec"]["virtualMachine"]["namespace"] for a in world.list("netaddr")]
    assert tenant.namespace not in owners
    for node in ("n1", "n2"):
        assert f"{tenant.namespace}." not in world.node(node, "virsh", "list", "--all", "--name")


def _cycle_machine(name: str, power: str) -> dict[str, object]:
    return make_machine(name, powerState=power, terminationGracePeriodSeconds=2, readinessProbe=None)


@pytest.mark.long
@pytest.mark.parametrize("jump", ["+1h", "-1h"])
def test_a_jump_of_the_clock_restarts_nothing(tenant: Tenant, world: World, jump: str) -> None:
    machine = tenant.start()
    uptime = machine.uptime()

    shift_clock(world, jump)

    machine.patch(terminationGracePeriodSeconds=11)
    eventually("the controller at work", lambda: is_seen(machine), 60)
    machine.ready(60)
    hold("no boot", lambda: (machine.ask("/boots") or "1").strip() == "1", 5)
    assert machine.uptime() >= uptime
    world.sandbox("up", *told())


def shift_clock(world: World, jump: str) -> None:
    """Start controller and agents anew with a clock that is off by so much."""
    world.sandbox("up", *told(f"LD_PRELOAD={FAKETIME}", f"FAKETIME={jump}"))


def test_nothing_is_lost_when_watches_are_cut_and_what_they_missed_is_forgotten(tenant: Tenant, world: World) -> None:
    gone = tenant.start("gone", nodeSelector={"kubernetes.io/hostname": "n1"})
    uid, node = gone.uid, gone.node
    world.sandbox("kill", "--signal", "STOP", "controller", "agent-n1", "agent-n2")
    for thing in ("dom/gone-1", "vm/gone"):
        tenant.kubectl("delete", thing, "--wait=false")
        tenant.kubectl("patch", thing, "--type=merge", "-p", '{"metadata":{"finalizers":[]}}')
    tenant.apply(make_machine("born", readinessProbe=None))

    compact(world)
    world.sandbox("kill", "kube-apiserver")
    eventually("the API", lambda: world.try_kubectl("get", "vm").returncode == 0, 60)
    world.sandbox("kill", "--signal", "CONT", "controller", "agent-n1", "agent-n2")

    tenant.machine("born").ready(60)
    eventually("the orphan to be told", lambda: uid in orphans(world, node), 90)
    world.kubectl("annotate", "hv", node, f"drover.dev/remove-orphan={uid}")
    eventually("the orphan to go", lambda: uid not in orphans(world, node), 60)
    tenant.machine("born").delete()


def orphans(world: World, node: str) -> list[str]:
    """Uuids of a node's guests that no Domain speaks for."""
    status = (world.get("hv", node) or {}).get("status", {})
    return [each["uuid"] for each in status.get("orphans", [])]


def compact(world: World) -> None:
    """Have etcd forget all but the present."""
    pki = world.state / "pki"
    trust = ssl.create_default_context(cafile=str(pki / "etcd-ca.crt"))
    trust.load_cert_chain(pki / "etcd-client.crt", pki / "etcd-client.key")
    url = f"https://127.213.{world.address.split('.')[2]}.1:2379/v3/kv"

    def call(verb: str, **words: object) -> Object:
        request = urllib.request.Request(f"{url}/{verb}", json.dumps(words).encode())
        with urllib.request.urlopen(request, context=trust, timeout=20) as answer:
            return dict(json.load(answer))

    now = call("range", key="AA==")["header"]["revision"]
    call("compaction", revision=now, physical=True)
