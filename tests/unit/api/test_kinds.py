"""Paths of the API server."""

import pytest

from drover.api.kinds import HYPERVISOR, POD, VIRTUALMACHINE, Kind


@pytest.mark.parametrize(
    ("kind", "where", "path"),
    [
        pytest.param(VIRTUALMACHINE, (), "/apis/drover.dev/v1alpha1/virtualmachines", id="all-namespaces"),
        pytest.param(
            VIRTUALMACHINE,
            ("shop", "web", "status"),
            "/apis/drover.dev/v1alpha1/namespaces/shop/virtualmachines/web/status",
            id="subresource",
        ),
        pytest.param(POD, ("shop", "web"), "/api/v1/namespaces/shop/pods/web", id="core-group"),
        pytest.param(HYPERVISOR, ("", "n1"), "/apis/drover.dev/v1alpha1/hypervisors/n1", id="cluster-wide"),
    ],
)
def test_a_path_names_group_namespace_name_and_subresource(kind: Kind, where: tuple[str, ...], path: str) -> None:
    assert kind.path(*where) == path
