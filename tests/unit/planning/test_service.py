"""Services for machines: whom they mean, where they lead, and what is said when they cannot."""

from typing import Any

import pytest
from tests.support.machines import make_machine, make_network

from drover.planning.service import SLICE, finding, selects, slices
from drover.planning.view import MachineView, NetworkView
from drover.state.service import Service, read_service, read_slice

LABELS = (("app", "web"), ("drover.dev/app", "web"))
READY = {"type": "GuestReady", "status": "True", "reason": "Ready", "lastTransitionTime": "2026-11-21T12:00:00Z"}
OVER = make_network("over", type="Overlay", overlay={"vni": 1})
NETWORKS = {"over": OVER, "default": make_network()}


def _service(**selector: str) -> Service:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "named", "port": 81, "targetPort": "web"}]
    spec = {
        "selector": {f"drover.dev/{name}": value for name, value in selector.items()},
        "ports": [*ports, {"port": 53}],
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
    return make_machine(meta={"labels": LABELS, "uid": f"uid-{name}"}, status=told | status)


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
    ("services", "network", "reason"),
    [
        pytest.param([], OVER, None, id="none means it"),
        pytest.param([_service(app="web")], OVER, "Published", id="an overlay"),
        pytest.param([_service(app="web")], None, "Published", id="no such network: said elsewhere"),
        pytest.param([_service(app="web")], make_network(), "NodeLocalNetwork", id="behind its node"),
        pytest.param([_plain({"app": "web"})], OVER, "SelectsAnchors", id="by labels of anchors"),
    ],
)
def test_what_a_machine_says_of_its_services(
    services: list[Service], network: NetworkView | None, reason: str | None
) -> None:
    found = finding(services, _machine(), network)
    assert (found.reason if found else None) == reason


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
        pytest.param(make_machine(meta={"deleting": "2026-11-21T12:00:00Z"}), id="going"),
    ],
)
def test_a_machine_that_cannot_be_reached_is_in_no_slice(machine: MachineView) -> None:
    assert slices(_service(app="web"), [machine], NETWORKS) == []


def test_a_guest_that_is_not_ready_is_in_its_slice_and_is_not_sent_to() -> None:
    (built,) = slices(_service(app="web"), [_machine(conditions=None, nodeName=None)], NETWORKS)
    (endpoint,) = built["endpoints"]
    assert (endpoint["conditions"]["ready"], "nodeName" in endpoint) == (False, False)


def test_labels_of_anchors_lead_nowhere() -> None:
    assert slices(_plain({"app": "web"}), [_machine()], NETWORKS) == []


def test_many_machines_and_both_families_make_several_slices() -> None:
    both = [{"interface": "lan", "ip": "10.30.0.2", "ipv6": "fd00::2"}]
    many = [_machine(f"m{number}", addresses=both) for number in range(SLICE + 1)]
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
