import pytest

from drover.runtime.selectors import selects

BODY = {
    "metadata": {"name": "web", "labels": {"drover.dev/vm": "web"}},
    "spec": {"nodeName": "n1", "cores": 2},
}


@pytest.mark.parametrize(
    ("labels", "fields", "selected"),
    [
        ("", "", True),
        ("drover.dev/vm", "", True),
        ("drover.dev/vm=web", "", True),
        ("drover.dev/vm=db", "", False),
        ("drover.dev/vm,other", "", False),
        ("", "spec.nodeName=n1", True),
        ("", "spec.nodeName=n2", False),
        ("", "spec.nodeName=n1,spec.cores=2", True),
        ("", "spec.absent.deep=", True),
        ("drover.dev/vm", "metadata.name=db", False),
    ],
)
def test_selectors_select_as_the_server_does(labels: str, fields: str, selected: bool) -> None:  # noqa: FBT001
    assert selects(labels, fields, BODY) is selected


def test_an_object_without_labels_has_none() -> None:
    assert not selects("a", "", {"metadata": {"name": "web", "labels": None}})
