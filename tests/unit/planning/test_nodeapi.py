from typing import Any

import pytest
from tests.support.machines import make_domain, make_machine

from drover.api.cloudinit import CloudInit, SecretKey
from drover.planning import nodeapi
from drover.planning.view import MachineView

AGENT = "system:serviceaccount:drover-system:drover-agent"
OURS = {"name": "boot", "key": "user"}
OTHER = {"name": "admin", "key": "token"}


def review(name: str = AGENT, node: Any = ("n1",), *, authenticated: bool = True) -> dict[str, Any]:
    extra = {nodeapi.NODE_CLAIM: list(node)} if node else {}
    return {"authenticated": authenticated, "user": {"username": name, "extra": extra}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(review(), "n1", id="an agent"),
        pytest.param(review(authenticated=False), "", id="a token that is not good"),
        pytest.param(review("system:serviceaccount:drover-system:drover-controller"), "", id="another account"),
        pytest.param(review("system:serviceaccount:shop:drover-agent"), "", id="an account of this name elsewhere"),
        pytest.param(review(node=()), "", id="a token bound to no node"),
        pytest.param(review(node=("n1", "n2")), "", id="two nodes"),
        pytest.param({}, "", id="no answer"),
    ],
)
def test_only_a_token_of_an_agent_on_a_node_tells_a_node(status: dict[str, Any], expected: str) -> None:
    assert nodeapi.node_of(status, "drover-system") == expected


def test_a_domain_is_known_to_its_own_node_alone() -> None:
    domain, machine = make_domain(), make_machine(status={"nodeName": "n1"})

    assert [nodeapi.may_read(domain, machine, (), node) for node in ("n1", "n2", "")] == [True, False, False]


@pytest.mark.parametrize(
    ("machine", "places", "expected"),
    [
        pytest.param(make_machine(), {"n1"}, True, id="the scheduler gave it a place there"),
        pytest.param(make_machine(), {"n2"}, False, id="its place is elsewhere"),
        pytest.param(make_machine(status={"nodeName": "n2"}), (), False, id="it is said to be elsewhere"),
        pytest.param(make_machine({"uid": "uid-other"}), {"n1"}, False, id="another machine of its name"),
    ],
)
def test_a_domain_alone_proves_nothing(machine: MachineView, places: set[str], expected: Any) -> None:
    assert nodeapi.may_read(make_domain(), machine, places, "n1") is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"userDataSecretRef": OURS}, (SecretKey(name="boot", key="user"),), id="the machine names it"),
        pytest.param({}, (), id="the machine does not name it any more"),
        pytest.param({"userDataSecretRef": OTHER}, (), id="the machine names another"),
    ],
)
def test_what_a_domain_names_counts_only_as_far_as_its_machine_does(
    given: Any, expected: tuple[SecretKey, ...]
) -> None:
    domain = make_domain(seed={"hostname": "web", "userData": {"secret": OURS}})

    assert nodeapi.readable(domain, CloudInit.model_validate(given)) == expected
    assert nodeapi.readable(domain, None) == ()
