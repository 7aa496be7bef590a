"""Which nodes the scheduler may give machines to."""

import pytest
from tests.support.machines import make_hypervisor, make_meta

from drover.planning.nodelabel import relabel
from drover.planning.view import HypervisorView


def reporting(ready: str) -> HypervisorView:
    since = "2026-01-01T00:00:00Z"
    told = {"type": "Ready", "status": ready, "reason": "Told", "message": "", "lastTransitionTime": since}
    return make_hypervisor("n1", conditions=[told])


@pytest.mark.parametrize(
    ("told", "hypervisor", "wanted"),
    [
        pytest.param("", reporting("True"), "true", id="a new node with a working libvirt"),
        pytest.param("true", reporting("False"), "false", id="libvirt does not work any more"),
        pytest.param("false", reporting("Unknown"), None, id="not known to work"),
        pytest.param("true", reporting("True"), None, id="as it should be"),
        pytest.param("maintenance", reporting("True"), None, id="somebody keeps machines off it"),
        pytest.param("true", make_hypervisor("n1"), None, id="the agent has not spoken yet"),
        pytest.param("true", None, None, id="no agent"),
    ],
)
def test_a_node_is_labelled_as_its_agent_reports(told: str, hypervisor: HypervisorView | None, wanted: str) -> None:
    labels = {"drover.dev/hypervisor": told} if told else {}

    assert relabel(make_meta("n1", namespace="", labels=tuple(labels.items())), hypervisor, silent=False) == wanted


def test_a_node_that_gives_no_sign_of_life_gets_no_machines() -> None:
    assert relabel(make_meta("n1", namespace=""), reporting("True"), silent=True) == "false"
