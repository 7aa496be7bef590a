"""Networks of every type, packet filters and names, asked of the guests."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.system.world import BOOT, Machine, Object, Tenant, World, eventually, make_machine, make_object

FORGED = "02:00:00:00:0f:0f"
ON = {name: {"kubernetes.io/hostname": name} for name in ("n1", "n2")}
OTHER = {"n1": "n2", "n2": "n1"}


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


def example(tenant: Tenant, made: list[str], name: str, instead: Mapping[str, str] | None = None) -> str:
    """Apply an example with a network in it; gives the network's name."""
    made += [each["metadata"]["name"] for each in tenant.example(name, instead) if each["kind"] == "VirtualNetwork"]
    return made[-1]


@pytest.fixture
def marked(world: World) -> Iterator[str]:
    """The first node, with the labels that networks of the examples choose nodes by."""
    labels = {"example.com/routed": "true", "example.com/zone": "dc1"}
    world.kubectl("label", "node", "n1", *(f"{name}={value}" for name, value in labels.items()))
    yield "n1"
    world.kubectl("label", "node", "n1", *(f"{name}-" for name in labels))


def from_node(machine: Machine, path: str, host: str = "") -> str:
    """Ask a guest by HTTP from its own node, where networks are that lead nowhere else."""
    url = f"http://{host or machine.ip}{path}"
    return machine.tenant.world.node(machine.node, "curl", "-s", "-g", "-m", "5", url, check=False).strip()


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


def published(tenant: Tenant) -> list[str]:
    """Addresses to which the example's Service leads."""
    slices = tenant.world.list("endpointslices", "-n", tenant.namespace, "-l", "kubernetes.io/service-name=shop")
    ends = [end for each in slices for end in each["endpoints"] or []]
    return sorted(ip for end in ends if end["conditions"]["ready"] for ip in end["addresses"])


def make_shop(name: str, *interfaces: Object, **spec: Any) -> Object:
    """Write a machine that the example's Service selects."""
    made = make_machine(name, disk=None, interfaces=list(interfaces), **spec)
    return {**made, "metadata": {"name": name, "labels": {"drover.dev/app": "shop"}}}


def test_guests_on_two_nodes_meet_on_an_overlay_and_a_service_leads_to_them(
    tenant: Tenant, networks: list[str]
) -> None:
    over = example(tenant, networks, "network-overlay")
    tenant.example("service")
    a, b, local = tenant.machine("shop-0").ready(), tenant.machine("b"), tenant.machine("local")
    wide = {"name": "wide", "network": over}
    tenant.apply(
        make_shop("b", {"name": "lan"}, wide, nodeSelector=ON[OTHER[a.node]]), make_shop("local", {"name": "lan"})
    )
    there = by_interface(b.ready())["wide"]

    assert (a.node != b.node, a.ip != there) == (True, True)
    eventually("a to reach b", lambda: ask(a, "reach", host=there, port="80") == "open", 30)
    assert ask(b, "ping", host=a.ip) == "answer"
    assert "mtu 1450" in ask(a, "address")
    name = f"b.{tenant.namespace}.shop.internal"
    eventually(f"{name} to be known to a", lambda: there in ask(a, "lookup", name=name), 20)
    leads_to_both(a, b, there)
    eventually("NodeLocalNetwork", lambda: local.condition("Endpoints").get("reason") == "NodeLocalNetwork", 30)


def by_interface(machine: Machine) -> dict[str, str]:
    """Addresses of a machine by its interfaces."""
    return {each["interface"]: each["ip"] for each in machine.status["addresses"]}


def leads_to_both(a: Machine, b: Machine, there: str) -> None:
    """Follow the Service to both machines, from nodes to the one that has a single way back; see it forget who goes."""
    tenant, here = a.tenant, a.ip
    eventually("the Service to lead to both", lambda: published(tenant) == sorted([here, there]), 20)
    assert [from_node(each, "/hostname", here) for each in (a, b)] == ["shop-0", "shop-0"]
    assert a.condition("Endpoints")["reason"] == "Published"
    a.delete()
    eventually("the Service to forget a", lambda: published(tenant) == [there], 20)


def test_an_isolated_network_reaches_its_own_and_nobody_else(tenant: Tenant, networks: list[str]) -> None:
    isolated = example(tenant, networks, "network-isolated")
    a, b = begin(tenant, "a", "n1", isolated), begin(tenant, "b", "n1", isolated)
    for each in (a, b):
        each.ready()

    assert reaches(a, b)
    outside = tenant.world.node("n1", "ip", "-4", "route", "show", "default").split()[2]
    assert ask(a, "ping", host=outside) == "silence"
    assert a.ask("/") is None


def test_a_routed_network_is_reached_under_its_own_addresses(tenant: Tenant, networks: list[str], marked: str) -> None:
    routed = example(tenant, networks, "network-routed")
    a = begin(tenant, "a", marked, routed).ready()

    assert a.ask("/hostname") == "a\n"
    outside = tenant.world.node("n1", "ip", "-4", "route", "show", "default").split()[2]
    assert ask(a, "ping", host=outside) == "answer"


@pytest.fixture
def bridge(world: World, marked: str) -> Iterator[None]:
    """A bridge on a node, and on it the address of the example's router."""
    for words in ("link add br0 type bridge", "link set br0 up", "address add 10.144.0.1/24 dev br0"):
        world.node(marked, "ip", *words.split())
    yield
    world.node(marked, "ip", "link", "delete", "br0", check=False)


@pytest.mark.usefixtures("bridge")
def test_a_bridge_of_the_host_carries_guests_and_what_it_cannot_do_is_said(
    tenant: Tenant, networks: list[str], world: World, marked: str
) -> None:
    example(tenant, networks, "network-bridge")
    example(tenant, networks, "network-vlan")
    desk, visitor = tenant.machine("desk").ready(), tenant.machine("visitor")

    assert (desk.ip, from_node(desk, "/hostname")) == ("10.144.0.100", "desk")
    assert f"{desk.ip}/24" in ask(desk, "address")
    assert "master br0" in world.node(marked, "ip", "link")
    # The kernels that tests run on have bridges without VLANs.
    eventually("VLANUnsupported", lambda: visitor.condition("NetworkReady").get("reason") == "VLANUnsupported", BOOT)


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


@pytest.fixture
def wires(world: World) -> Iterator[str]:
    """An interface of each node, whose other end has an address of the example's subnet."""
    for node in ON:
        for words in ("link add wire0 type veth peer name wire1", "link set wire0 up", "link set wire1 up"):
            world.node(node, "ip", *words.split())
        world.node(node, "ip", "address", "add", "10.145.0.250/24", "dev", "wire1")
    yield "wire0"
    for node in ON:
        world.node(node, "ip", "link", "delete", "wire0", check=False)


def test_a_guest_sits_on_an_interface_of_the_host_directly(
    tenant: Tenant, networks: list[str], world: World, wires: str
) -> None:
    example(tenant, networks, "network-direct", {"eth1": wires})
    wired = tenant.machine("wired").ready()

    eventually("an answer over the wire", lambda: from_node(wired, "/hostname") == "wired", BOOT)

    assert wired.status["addresses"][0]["mac"] in world.node(wired.node, "ip", "-d", "link", "show", "type", "macvtap")


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


def test_security_groups_let_in_and_out_what_their_rules_allow_and_change_live(tenant: Tenant, world: World) -> None:
    tenant.example("security-group")
    web = tenant.machine("guarded").ready()
    a = begin(tenant, "a", web.node, "default", securityGroups=["balancers"])
    b = begin(tenant, "b", web.node, "default")
    for each in (a, b):
        each.ready()

    eventually("a balancer to be let in", lambda: reaches(a, web), 30)
    assert (reaches(b, web), ask(b, "ping", host=web.ip), web.ask("/")) == (False, "answer", None)
    assert (reaches(web, b), ask(web, "ping", host=b.ip)) == (False, "silence")
    assert b.ip in ask(web, "lookup", name=f"b.{tenant.namespace}.default.internal")
    assert "limit rate over 10000000 bytes/second" in world.node(web.node, "nft", "list", "table", "bridge", "drover")
    stays_and_changes(world, web, a, b)

    taps = world.node(web.node, "nft", "-j", "list", "map", "bridge", "drover", "to-guests")
    node = web.node
    for each in (web, a, b):
        each.delete()
    assert len(taps) > len(world.node(node, "nft", "-j", "list", "map", "bridge", "drover", "to-guests"))


def stays_and_changes(world: World, web: Machine, a: Machine, b: Machine) -> None:
    """Have a guest join the group, the agents restart, the rules go, and the web server leave its group."""
    lan(b, securityGroups=["balancers"])
    eventually("b to be let in as a member", lambda: reaches(b, web), 30)
    world.sandbox("reload")
    eventually("the agents to be back", lambda: world.list("hv"), 60)
    assert (reaches(a, web), web.ask("/")) == (True, None)

    web.tenant.apply(make_object("SecurityGroup", "web", {"rules": []}))
    eventually("the rules to be gone", lambda: not reaches(a, web), 30)
    lan(web, securityGroups=[])
    eventually("everybody to be let in", lambda: reaches(a, web) and web.ask("/") is not None, 30)
    assert web.status["restarts"] == 0


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
    both = tenant.machine("both").ready()

    (shown,) = both.status["addresses"]
    assert (shown["ip"], shown["ipv6"]) == ("10.143.0.11", "fd00:143::2")
    eventually("an answer by IPv6", lambda: from_node(both, "/hostname", "[fd00:143::2]") == "both", 20)
    assert "fd00:143::2/64" in ask(both, "address")
    assert "fd00:143::2" in ask(both, "lookup", name=f"both.{tenant.namespace}.{net}.internal")


@pytest.mark.long
def test_a_network_that_grew_gives_addresses_until_there_are_none(tenant: Tenant, networks: list[str]) -> None:
    net = example(tenant, networks, "network-subnets")
    a, b, late = begin(tenant, "a", "n1", net).ready(), begin(tenant, "b", "n1", net), tenant.machine("late")
    b.ready()
    assert (a.ip, b.ip) == ("10.146.0.2", "10.146.1.2")
    assert (f"{b.ip}/29" in ask(b, "address"), reaches(a, b)) == (True, True)

    begin(tenant, "late", "n1", net)
    eventually("NoFreeAddress", lambda: late.condition("NetworkReady").get("reason") == "NoFreeAddress", 30)
    b.delete()
    assert late.ready().ip == "10.146.1.2"
