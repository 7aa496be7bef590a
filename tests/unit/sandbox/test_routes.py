from ipaddress import IPv4Address

import pytest

from drover.sandbox import routes
from drover.sandbox.routes import Machine, Routes

GATEWAYS = {"n1": IPv4Address("10.0.0.1"), "n2": IPv4Address("10.0.0.2")}
ONE = IPv4Address("10.224.0.5")
TWO = IPv4Address("10.224.0.6")


def make_body(**status: object) -> dict[str, object]:
    return {"metadata": {"uid": "u"}, "status": status}


@pytest.mark.parametrize(
    ("body", "machine"),
    [
        pytest.param(make_body(nodeName="n1", addresses=[{"ip": str(ONE)}]), Machine("u", "n1", (ONE,)), id="placed"),
        pytest.param({"metadata": {"uid": "u"}}, Machine("u", "", ()), id="new"),
        pytest.param(
            make_body(nodeName="n1", addresses=[{"mac": "02:…"}]), Machine("u", "n1", ()), id="no address yet"
        ),
        pytest.param(make_body(addresses=[{"ip": "fd00::1"}]), Machine("u", "", ()), id="another family"),
    ],
)
def test_a_machine_is_read_from_its_status(body: dict[str, object], machine: Machine) -> None:
    assert routes.parse(body) == machine


def test_a_machine_is_reached_by_way_of_its_node() -> None:
    machines = [Machine("a", "n1", (ONE,)), Machine("b", "", (TWO,)), Machine("c", "elsewhere", (TWO,))]

    assert routes.wanted(machines, GATEWAYS) == {ONE: GATEWAYS["n1"]}


@pytest.mark.parametrize(
    ("current", "target", "commands"),
    [
        pytest.param({}, {}, (), id="nothing"),
        pytest.param({}, {ONE: GATEWAYS["n1"]}, ("route replace 10.224.0.5/32 via 10.0.0.1 dev d",), id="new"),
        pytest.param({ONE: GATEWAYS["n1"]}, {ONE: GATEWAYS["n1"]}, (), id="unchanged"),
        pytest.param(
            {ONE: GATEWAYS["n1"]},
            {ONE: GATEWAYS["n2"]},
            ("route replace 10.224.0.5/32 via 10.0.0.2 dev d",),
            id="moved",
        ),
        pytest.param({ONE: GATEWAYS["n1"]}, {}, ("route delete 10.224.0.5/32 dev d",), id="gone"),
    ],
)
def test_only_what_differs_is_changed(current: Routes, target: Routes, commands: tuple[str, ...]) -> None:
    assert routes.changes(current, target, "d") == commands
