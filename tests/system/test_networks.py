"""Networks of every type, packet filters and names, asked of the guests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.system.world import BOOT, Machine, Object, Tenant, World, eventually, make_machine, make_object

EXAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "examples"
FORGED = "02:00:00:00:0f:0f"
ON = {name: {"kubernetes.io/hostname": name} for name in ("n1", "n2")}
WEB = {"name": "http", "protocol": "TCP", "ports": ["80"]}


@pytest.fixture
def networks(world: World) -> Iterator[list[str]]:
    """Networks that a test makes; those that are not in use any more are taken away after it."""
    made: list[str] = []
    yield made
    for name in made:
        world.try_kubectl("delete", "vnet", name, "--wait=false")


def make_network(tenant: Tenant, made: list[str], kind: str, number: int, **more: Any) -> str:
    """Make a network with a subnet of its own."""
    name, made_of = f"{tenant.namespace}-{kind.lower()}"[:20], f"10.{200 + number}.0"
    subnet = {"name": "v4", "cidr": f"{made_of}.0/24", "gateway": f"{made_of}.1"}
    made.append(name)
    tenant.apply(make_object("VirtualNetwork", name, {"type": kind, "subnets": [subnet], **more}))
    return name


def example(tenant: Tenant, made: list[str], name: str) -> str:
    """Apply the network of an example."""
    (network,) = yaml.safe_load_all((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    made.append(network["metadata"]["name"])
    tenant.apply(network)
    return made[-1]


def begin(tenant: Tenant, name: str, node: str, network: str, **interface: Any) -> Machine:
    """Apply a machine without a disk on a node, with one interface."""
    lan = {"name": "lan", "network": network, **interface}
    tenant.apply(make_machine(name, disk=None, nodeSelector=ON[node], interfaces=[lan]))
    return tenant.machine(name)


def ask(machine: Machine, command: str, **query: str) -> str:
    """Have a guest do something, asked from its own node."""
    words = "&".join(f"{name}={value}" for name, value in query.items())
    url = f"http://{machine.ip}/cgi-bin/{command}?{words}"
    return machine.tenant.world.node(machine.node, "curl", "-s", "-m", "10", url, check=False).strip()


def reaches(machine: Machine, other: Machine) -> bool:
    """Whether a guest's HTTP server answers another guest."""
    return ask(machine, "reach", host=other.ip, port="80") == "open"


def lan(machine: Machine, **fields: Any) -> None:
    """Change a machine's only interface."""
    (old,) = machine.object["spec"]["interfaces"]
    machine.patch(interfaces=[{**old, **fields}])


def test_guests_on_two_nodes_meet_on_an_overlay(tenant: Tenant, networks: list[str]) -> None:
    over = example(tenant, networks, "network-overlay")
    a, b = begin(tenant, "a", "n1", over), begin(tenant, "b", "n2", over)
    for each in (a, b):
        each.ready()

    assert (a.node, b.node, a.ip != b.ip) == ("n1", "n2", True)
    eventually("a to reach b", lambda: reaches(a, b), 30)
    assert ask(b, "ping", host=a.ip) == "answer"
    assert "mtu 1450" in ask(a, "address")
    name = f"b.{tenant.namespace}.shop.internal"
    eventually(f"{name} to be known on n1", lambda: b.ip in ask(a, "lookup", name=name), 20)
    assert tenant.world.node("n1", "curl", "-s", "-m", "10", f"http://{b.ip}/hostname").strip() == "b"


def test_an_isolated_network_reaches_its_own_and_nobody_else(tenant: Tenant, networks: list[str]) -> None:
    isolated = example(tenant, networks, "network-isolated")
    a, b = begin(tenant, "a", "n1", isolated), begin(tenant, "b", "n1", isolated)
    for each in (a, b):
        each.ready()

    assert reaches(a, b)
    outside = tenant.world.node("n1", "ip", "-4", "route", "show", "default").split()[2]
    assert ask(a, "ping", host=outside) == "silence"
    assert a.ask("/") is None


def test_a_routed_network_is_reached_under_its_own_addresses(tenant: Tenant, networks: list[str]) -> None:
    routed = make_network(tenant, networks, "Routed", 3)
    a = begin(tenant, "a", "n1", routed).ready()

    assert a.ask("/hostname") == "a\n"
    outside = tenant.world.node("n1", "ip", "-4", "route", "show", "default").split()[2]
    assert ask(a, "ping", host=outside) == "answer"


def test_a_bridge_of_the_host_carries_guests_and_what_it_cannot_do_is_said(
    tenant: Tenant, networks: list[str], world: World
) -> None:
    world.node("n1", "ip", "link", "add", "lan0", "type", "bridge", check=False)
    world.node("n1", "ip", "link", "set", "lan0", "up")
    networks += ["lan", "tagged"]
    tenant.apply(make_object("VirtualNetwork", "lan", {"type": "Bridge", "bridge": {"name": "lan0"}}))
    tenant.apply(make_object("VirtualNetwork", "tagged", {"type": "Bridge", "bridge": {"name": "lan0", "vlan": 7}}))

    tenant.apply(
        make_machine(
            "a", disk=None, readinessProbe=None, nodeSelector=ON["n1"], interfaces=[{"name": "lan", "network": "lan"}]
        )
    )
    tenant.apply(make_machine("b", disk=None, nodeSelector=ON["n1"], interfaces=[{"name": "lan", "network": "tagged"}]))
    tenant.machine("a").ready()
    assert "lan0" in tenant.machine("a").virsh("domiflist") or "master lan0" in world.node("n1", "ip", "link")
    refused = tenant.machine("b")
    eventually("VLANUnsupported", lambda: refused.condition("NetworkReady").get("reason") == "VLANUnsupported", BOOT)


def test_a_network_may_not_take_what_another_has(tenant: Tenant, networks: list[str], world: World) -> None:
    first = make_network(tenant, networks, "Overlay", 4, overlay={"vni": 4004})
    eventually("the first to be ready", lambda: accepted(world, first).get("status") == "True", 20)
    networks.append("second")
    subnet = {"name": "v4", "cidr": "10.204.0.0/25", "gateway": "10.204.0.1"}
    tenant.apply(make_object("VirtualNetwork", "second", {"type": "NAT", "subnets": [subnet]}))
    begin(tenant, "a", "n1", "second")

    eventually("SubnetOverlap", lambda: accepted(world, "second").get("reason") == "SubnetOverlap", 20)
    machine = tenant.machine("a")
    eventually("a refusal", lambda: machine.condition("Accepted").get("reason") == "NetworkNotAccepted", 20)
    world.kubectl("delete", "vnet", first)
    networks.remove(first)
    machine.ready()


def test_a_guest_sits_on_an_interface_of_the_host_directly(tenant: Tenant, networks: list[str], world: World) -> None:
    world.node("n1", "ip", "link", "add", "wire0", "type", "veth", "peer", "name", "wire1", check=False)
    for end in ("wire0", "wire1"):
        world.node("n1", "ip", "link", "set", end, "up")
    direct = {"type": "Direct", "direct": {"device": "wire0"}, "antiSpoofing": "Disabled"}
    networks.append("straight")
    tenant.apply(make_object("VirtualNetwork", "straight", direct))
    machine = make_machine("a", disk=None, readinessProbe=None, nodeSelector=ON["n1"])
    machine["spec"]["interfaces"] = [{"name": "lan", "network": "straight"}]
    tenant.apply(machine)
    tenant.machine("a").ready()

    mac = tenant.machine("a").status["addresses"][0]["mac"]
    assert mac in world.node("n1", "ip", "-d", "link", "show", "type", "macvtap")


def accepted(world: World, network: str) -> Object:
    """What is said of whether a network may be."""
    found = (world.get("vnet", network) or {}).get("status", {}).get("conditions", [])
    return next((dict(each) for each in found if each["type"] == "Accepted"), {})


def test_a_guest_that_poses_as_another_is_not_heard(tenant: Tenant, networks: list[str], world: World) -> None:
    net = make_network(tenant, networks, "NAT", 5)
    a = begin(tenant, "a", "n1", net).ready()

    def posed(**query: str) -> str:
        ask(a, "pose", host="10.205.0.1", **query)
        return eventually("the pose to end", lambda: ask(a, "posed"), 20)

    assert posed() == "ping arp"
    assert (posed(ip="10.205.0.77"), posed(mac=FORGED), posed(ip="10.205.0.77", mac=FORGED)) == ("caught",) * 3
    world.kubectl("patch", "vnet", net, "--type=merge", "-p", json.dumps({"spec": {"antiSpoofing": "Disabled"}}))
    eventually("the filter to be open", lambda: "arp" in posed(ip="10.205.0.77"), 30)


def test_security_groups_let_in_what_their_rules_allow_and_change_live(
    tenant: Tenant, networks: list[str], world: World
) -> None:
    net = make_network(tenant, networks, "NAT", 6)
    tenant.apply(make_object("SecurityGroup", "web", {"rules": [WEB | {"from": {"securityGroups": ["lb"]}}]}))
    tenant.apply(make_object("SecurityGroup", "lb", {}))
    web = begin(tenant, "web", "n1", net, securityGroups=["web"])
    a, b = begin(tenant, "a", "n1", net, securityGroups=["lb"]), begin(tenant, "b", "n1", net)
    for each in (web, a, b):
        each.ready()

    eventually("a member of lb to be let in", lambda: reaches(a, web), 30)
    assert (reaches(b, web), ask(a, "ping", host=web.ip)) == (False, "silence")
    assert (reaches(web, b), web.ask("/")) == (True, None)

    lan(b, securityGroups=["lb"])
    eventually("b to be let in as a member", lambda: reaches(b, web), 30)
    world.sandbox("reload")
    eventually("the agents to be back", lambda: world.list("hv"), 60)
    assert (reaches(a, web), ask(a, "ping", host=web.ip)) == (True, "silence")

    tenant.apply(make_object("SecurityGroup", "web", {"rules": []}))
    eventually("the rule to be gone", lambda: not reaches(a, web), 30)
    lan(web, securityGroups=[])
    eventually("everybody to be let in", lambda: reaches(a, web) and web.ask("/") is not None, 30)
    assert web.status["restarts"] == 0

    taps = world.node("n1", "nft", "-j", "list", "map", "bridge", "drover", "to-guests")
    for each in (web, a, b):
        each.delete()
    assert len(taps) > len(world.node("n1", "nft", "-j", "list", "map", "bridge", "drover", "to-guests"))


def test_a_cable_can_be_pulled_out_and_traffic_bounded(tenant: Tenant, networks: list[str]) -> None:
    net = make_network(tenant, networks, "NAT", 7)
    a = begin(tenant, "a", "n1", net, limits={"bytesPerSecond": "20k"}).ready()
    rules = tenant.world.node("n1", "nft", "list", "table", "bridge", "drover")
    assert "limit rate over 20000 bytes/second" in rules

    lan(a, link="Down")
    eventually("silence", lambda: ask(a, "uptime") == "", 20)
    lan(a, link="Up")
    eventually("an answer", lambda: ask(a, "uptime"), 20)


def test_a_dual_stack_network_gives_an_address_of_each_family(tenant: Tenant, networks: list[str]) -> None:
    net = example(tenant, networks, "network-nat-dual-stack")
    a = begin(tenant, "a", "n1", net).ready()

    (shown,) = a.status["addresses"]
    assert (shown["ip"], shown["ipv6"]) == ("10.143.0.11", "fd00:143::2")
    assert "fd00:143::2" in ask(a, "lookup", name=f"a.{tenant.namespace}.{net}.internal")


def test_a_service_leads_to_machines_of_an_overlay_and_says_when_it_cannot(
    tenant: Tenant, networks: list[str], world: World
) -> None:
    over = make_network(tenant, networks, "Overlay", 9, overlay={"vni": 4009})
    nat = make_network(tenant, networks, "NAT", 10)
    ports = [{"port": 80}]
    front = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "front"}}
    tenant.apply({**front, "spec": {"selector": {"drover.dev/app": "web"}, "ports": ports}})
    lan, wide = {"name": "lan", "network": nat}, {"name": "wide", "network": over}
    for name, interfaces in (("a", [lan, wide]), ("b", [lan])):
        machine = make_machine(name, disk=None, interfaces=interfaces)
        tenant.apply({**machine, "metadata": {"name": name, "labels": {"drover.dev/app": "web"}}})
    a, b = tenant.machine("a").ready(), tenant.machine("b").ready()

    def published() -> list[str]:
        slices = world.list("endpointslices", "-n", tenant.namespace, "-l", "kubernetes.io/service-name=front")
        ends = [end for each in slices for end in each["endpoints"] or []]
        return [ip for end in ends if end["conditions"]["ready"] for ip in end["addresses"]]

    by_interface = {each["interface"]: each["ip"] for each in a.status["addresses"]}
    eventually("the slice to lead to a by its second interface", lambda: published() == [by_interface["wide"]], 20)
    assert a.condition("Endpoints")["reason"] == "Published"
    assert b.condition("Endpoints")["reason"] == "NodeLocalNetwork"
    a.delete()
    eventually("the slice to be empty", lambda: published() == [], 20)
