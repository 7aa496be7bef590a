"""Services for machines: whom they mean, where they lead, and what is said when they cannot."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.machines import make_domain, make_machine, make_meta, make_network

from drover.planning.service import SLICE, endures, finding, selects, slices
from drover.planning.view import MachineView, NetworkView
from drover.state.clusternode import Node, read_node
from drover.state.service import Service, read_service, read_slice

LABELS = (("app", "web"), ("drover.dev/app", "web"))
READY = {"type": "GuestReady", "status": "True", "reason": "Ready", "lastTransitionTime": "2026-11-21T12:00:00Z"}
SUBNETS = [
    {"name": "v4", "cidr": "10.30.0.0/24", "gateway": "10.30.0.1"},
    {"name": "v6", "cidr": "fd00::/64", "gateway": "fd00::1"},
]
OVER = make_network("over", type="Overlay", overlay={"vni": 1}, subnets=SUBNETS[:1])
BOTH = make_network("both", type="Routed", subnets=SUBNETS)
OUTSIDE = make_network("outside", type="Bridge", bridge={"name": "br0"}, subnets=None)
NETWORKS = {"over": OVER, "default": make_network(), "both": BOTH}


def _service(families: list[str] | None = None, **selector: str) -> Service:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "named", "port": 81, "targetPort": "web"}]
    spec = {
        "selector": {f"drover.dev/{name}": value for name, value in selector.items()},
        "ports": [*ports, {"port": 53}],
        "ipFamilies": families,
    }
    return read_service({"metadata": {"name": "web", "namespace": "shop", "uid": "uid-svc"}, "spec": spec})


def _plain(selector: dict[str, str] | None) -> Service:
    body = {"metadata": {"name": "plain", "namespace": "shop", "uid": "uid-plain"}, "spec": {"selector": selector}}
    return read_service(body)


def _machine(name: str = "web", network: str = "over", *, ip: str | None = "10.30.0.2", **status: Any) -> MachineView:
    resolved = {"cores": 1, "memory": "1Gi", "cpuRequest": "1", "memoryRequest": "1Gi", "restartPolicy": "Always"}
    told = {
        "phase": "Running",
        "nodeName": "n1",
        "conditions": [READY],
        "addresses": [{"interface": "lan", "ip": ip}],
        "resolved": {**resolved, "terminationGracePeriodSeconds": 1, "networks": {"lan": network}},
    }
    meta = {"labels": LABELS, "uid": f"uid-{name}"}
    return make_machine(meta=meta, status=told | status, interfaces=[{"name": "lan"}])


def _wide(*plugs: tuple[str, str | None, str | None], families: list[str] | None = None) -> list[tuple[str, list[str]]]:
    """Where a Service leads to with a machine that has these interfaces: network and addresses of each."""
    named = [(f"if{number}", *plug) for number, plug in enumerate(plugs)]
    # The API server may have put the list in another order.
    addresses = [{"interface": name, "ip": ip, "ipv6": ipv6} for name, _, ip, ipv6 in reversed(named)]
    status = _machine().status.model_dump(by_alias=True) | {"addresses": addresses}
    status["resolved"] |= {"networks": {name: network for name, network, _, _ in named}}
    interfaces = [{"name": name} for name, *_ in named]
    machine = make_machine(meta={"labels": LABELS}, status=status, interfaces=interfaces)
    built = slices(_service(families, app="web"), [machine], NETWORKS)
    return [(each["addressType"], [ip for end in each["endpoints"] for ip in end["addresses"]]) for each in built]


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        pytest.param(_service(app="web"), True, id="all labels"),
        pytest.param(_service(app="db"), False, id="another value"),
        pytest.param(_service(app="web", tier="x"), False, id="a label too many"),
        pytest.param(_plain(None), False, id="no selector"),
    ],
)
def test_a_service_means_machines_by_all_of_its_labels(service: Service, *, expected: bool) -> None:
    assert selects(service, _machine().meta) is expected


@pytest.mark.parametrize(
    ("services", "networks", "reason"),
    [
        pytest.param([], [OVER], None, id="none means it"),
        pytest.param([_service(app="web")], [OVER], "Published", id="an overlay"),
        pytest.param(
            [_service(app="web")], [make_network(), OVER], "Published", id="behind its node and on an overlay"
        ),
        pytest.param([_service(["IPv6", "IPv4"], app="web")], [OVER], "Published", id="one family of two"),
        pytest.param([_service(["IPv6"], app="web")], [OVER], "NoAddress", id="without the family"),
        pytest.param([_service(app="web")], [], "NoAddress", id="on no network"),
        pytest.param([_service(app="web")], [OUTSIDE], "NoAddress", id="of addresses that we do not know"),
        pytest.param([_service(app="web")], [make_network()], "NodeLocalNetwork", id="behind its node"),
        pytest.param([_plain({"app": "web"})], [OVER], "SelectsAnchors", id="by labels of anchors"),
    ],
)
def test_what_a_machine_says_of_its_services(
    services: list[Service], networks: list[NetworkView], reason: str | None
) -> None:
    found = finding(services, _machine(), networks)
    assert (found.reason if found else None) == reason


@pytest.mark.parametrize(
    ("plugs", "families", "expected"),
    [
        pytest.param(
            [("default", "10.20.0.2", None), ("over", "10.30.0.2", None)],
            None,
            [("IPv4", ["10.30.0.2"])],
            id="the first is behind its node",
        ),
        pytest.param(
            [("both", "10.30.0.3", "fd00::3"), ("over", "10.30.0.2", None)],
            ["IPv4"],
            [("IPv4", ["10.30.0.3"])],
            id="both reach far",
        ),
        pytest.param(
            [("over", "10.30.0.2", None), ("both", "10.30.0.3", "fd00::3")],
            ["IPv6", "IPv4"],
            [("IPv4", ["10.30.0.2"]), ("IPv6", ["fd00::3"])],
            id="each family where it is",
        ),
        pytest.param([("both", "10.30.0.3", "fd00::3")], ["IPv6"], [("IPv6", ["fd00::3"])], id="one of two families"),
        pytest.param([("over", "10.20.0.2", None)], None, [], id="an address of the network before"),
    ],
)
def test_a_service_leads_to_the_first_address_of_its_families_that_other_nodes_reach(
    plugs: list[tuple[str, str | None, str | None]], families: list[str] | None, expected: list[tuple[str, list[str]]]
) -> None:
    assert _wide(*plugs, families=families) == expected


def test_a_slice_leads_to_the_machine_by_the_number_of_its_port() -> None:
    (built,) = slices(_service(app="web"), [_machine()], NETWORKS)
    (endpoint,) = built["endpoints"]
    assert built["metadata"]["name"] == "web.drover.dev.ipv4.0"
    assert built["ports"] == [
        {"name": "http", "protocol": "TCP", "port": 8080},
        {"name": "", "protocol": "TCP", "port": 53},
    ]
    assert (endpoint["addresses"], endpoint["nodeName"], endpoint["conditions"]["ready"]) == (["10.30.0.2"], "n1", True)


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(_machine(network="default"), id="behind its node"),
        pytest.param(_machine(network="gone"), id="on no network"),
        pytest.param(_machine(ip=None), id="without an address"),
        pytest.param(_machine(addresses=None), id="without an interface"),
        pytest.param(_machine(resolved=None), id="not resolved"),
    ],
)
def test_a_machine_that_cannot_be_reached_is_in_no_slice(machine: MachineView) -> None:
    assert slices(_service(app="web"), [machine], NETWORKS) == []


UNREADY, UNKNOWN = READY | {"status": "False"}, READY | {"status": "Unknown"}
GOING = make_meta("web", labels=LABELS, deleting="2026-11-21T12:00:00Z")


@pytest.mark.parametrize(
    ("machine", "enduring", "expected"),
    [
        pytest.param(_machine(), False, (True, True, False), id="ready"),
        pytest.param(_machine(conditions=None), False, (False, False, False), id="nothing told"),
        pytest.param(_machine(conditions=[UNREADY]), False, (False, False, False), id="not ready"),
        pytest.param(_machine(phase="Stopping"), False, (False, False, False), id="stopping"),
        pytest.param(_machine(conditions=[UNKNOWN], phase="Unknown"), False, (False, False, False), id="not heard"),
        pytest.param(_machine(conditions=[UNKNOWN], phase="Unknown"), True, (True, True, False), id="not heard, well"),
        pytest.param(replace(_machine(phase="Terminating"), meta=GOING), False, (False, True, True), id="going"),
        pytest.param(replace(_machine(conditions=[UNREADY]), meta=GOING), False, (False, False, True), id="gone down"),
    ],
)
def test_who_is_sent_to(machine: MachineView, *, enduring: bool, expected: tuple[bool, bool, bool]) -> None:
    known = frozenset({machine.meta.uid} if enduring else ())
    ((endpoint,),) = (each["endpoints"] for each in slices(_service(app="web"), [machine], NETWORKS, known))
    assert tuple(endpoint["conditions"].values()) == expected


def test_a_machine_that_is_on_no_node_says_none() -> None:
    (built,) = slices(_service(app="web"), [_machine(conditions=None, nodeName=None)], NETWORKS)
    assert "nodeName" not in built["endpoints"][0]


UP = read_node({"metadata": {"name": "n1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
DOWN = read_node({"metadata": {"name": "n1"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})


@pytest.mark.parametrize(
    ("now", "told", "node", "expected"),
    [
        pytest.param(UNKNOWN, [READY], UP, True, id="its agent alone is silent"),
        pytest.param(UNKNOWN, [READY], DOWN, False, id="its node is silent"),
        pytest.param(UNKNOWN, [READY], None, False, id="its node is gone"),
        pytest.param(UNKNOWN, [UNREADY], UP, False, id="it was not ready"),
        pytest.param(UNKNOWN, None, UP, False, id="nothing was told of it"),
        pytest.param(UNREADY, [READY], UP, False, id="it is not ready"),
        pytest.param(None, [READY], UP, False, id="nothing is told of it"),
    ],
)
def test_a_guest_counts_as_ready_while_its_agent_is_replaced(
    now: Any, told: Any, node: Node | None, *, expected: bool
) -> None:
    machine = _machine(conditions=[now] if now else None)
    assert endures(machine, make_domain(status={"conditions": told}), node) is expected
    assert not endures(machine, None, node)


def test_labels_of_anchors_lead_nowhere() -> None:
    assert slices(_plain({"app": "web"}), [_machine()], NETWORKS) == []


def test_many_machines_and_both_families_make_several_slices() -> None:
    both = [{"interface": "lan", "ip": "10.30.0.2", "ipv6": "fd00::2"}]
    many = [_machine(f"m{number}", "both", addresses=both) for number in range(SLICE + 1)]
    built = slices(_service(app="web"), many, NETWORKS)
    assert [(each["addressType"], len(each["endpoints"])) for each in built] == [
        ("IPv4", SLICE),
        ("IPv4", 1),
        ("IPv6", SLICE),
        ("IPv6", 1),
    ]


def test_a_slice_is_known_by_what_it_leads_to() -> None:
    (built,) = slices(_service(app="web"), [_machine()], NETWORKS)
    told = {**built, "metadata": built["metadata"] | {"uid": "u", "resourceVersion": "9"}}
    assert read_slice(told).content == read_slice(built).content
