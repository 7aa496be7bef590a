from collections.abc import Mapping
from typing import Any

import pytest

from drover.planning.definitions import Installed, established, name_trouble, read, refusals, unfit

NAME = "domains.drover.dev"


def crd(version: str = "0.2.0", *served: str) -> dict[str, Any]:
    return {
        "metadata": {"name": NAME, "annotations": {"drover.dev/version": version}, "generation": 3},
        "spec": {"versions": [{"name": each} for each in served or ("v1alpha1",)]},
    }


def present(version: str = "0.1.0", *stored: str) -> Mapping[str, Installed]:
    return {NAME: Installed(NAME, version, stored or ("v1alpha1",))}


def test_a_crd_tells_its_release_and_what_it_stores() -> None:
    body = {**crd(), "status": {"storedVersions": ["v1alpha1"]}}

    assert read(body) == Installed(NAME, "0.2.0", ("v1alpha1",), 3)


def test_a_crd_without_annotations_is_of_no_known_release() -> None:
    assert read({"metadata": {"name": NAME}}) == Installed(NAME, "")


@pytest.mark.parametrize("installed", [{}, present(), present("0.2.0"), present("")])
def test_newer_and_equal_definitions_may_be_applied(installed: Mapping[str, Installed]) -> None:
    assert refusals([crd()], installed) == ()


def test_a_stored_version_is_not_dropped() -> None:
    (said,) = refusals([crd("0.2.0", "v1")], present("0.1.0", "v1alpha1", "v1"))

    assert said.startswith("domains.drover.dev: objects are stored as v1alpha1, which release 0.2.0 does not know")


def test_older_definitions_do_not_replace_newer_ones() -> None:
    (said,) = refusals([crd("0.1.0")], present("0.2.0"))

    assert said.endswith("run `drover crds apply` of 0.2.0 or a later one")


@pytest.mark.parametrize(
    ("installed", "words"),
    [
        ({NAME: None}, "the API server does not know domains.drover.dev: run `drover crds apply`"),
        (present("0.1.0"), "domains.drover.dev: of release 0.1.0, but this is 0.2.0: run `drover crds apply`"),
        (present(""), "domains.drover.dev: of release unknown, but this is 0.2.0: run `drover crds apply`"),
        (present("0.2.0"), ""),
        (present("0.3.0"), ""),
    ],
)
def test_a_program_works_with_definitions_that_are_not_older(installed: Mapping[str, Installed], words: str) -> None:
    assert unfit(installed, "0.2.0") == words


@pytest.mark.parametrize(
    ("condition", "served", "trouble"),
    [
        ({"type": "Established", "status": "True", "reason": "", "message": ""}, True, ""),
        ({"type": "NamesAccepted", "status": "False", "reason": "Conflict", "message": "taken"}, False, "taken"),
        ({"type": "NamesAccepted", "status": "False", "reason": "NoConflicts", "message": "none"}, False, ""),
    ],
)
def test_the_api_server_says_whether_it_serves_a_kind(condition: dict[str, str], *, served: bool, trouble: str) -> None:
    body = {**crd(), "status": {"conditions": [condition]}}

    assert (established(body), name_trouble(body)) == (served, trouble)


def test_a_kind_that_was_not_looked_at_is_neither_served_nor_in_trouble() -> None:
    assert (established(crd()), name_trouble(crd())) == (False, "")
