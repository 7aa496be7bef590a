"""Whole domain documents, as written down and as libvirt's own schema wants them."""

from pathlib import Path

import pytest
import yaml
from lxml import etree
from pydantic import TypeAdapter
from tests.support.schemas import valid

from drover.state.guest import Blueprint
from drover.translation.domain.document import document

CASES = sorted((Path(__file__).parent / "domain").glob("*.yaml"))
BLUEPRINT = TypeAdapter(Blueprint)


def rendered(case: Path) -> str:
    """The document of a case."""
    return document(BLUEPRINT.validate_python(yaml.safe_load(case.read_text())))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_document_is_as_it_was(case: Path, *, regenerate: bool) -> None:
    found, written = rendered(case), case.with_suffix(".xml")
    if regenerate:
        written.write_text(found)

    assert found == written.read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_libvirt_accepts_a_document(case: Path) -> None:
    assert valid("domain", etree.fromstring(rendered(case))) == ""


def test_no_document_is_without_its_case() -> None:
    written = {path.stem for path in (Path(__file__).parent / "domain").glob("*.xml")}

    assert written == {case.stem for case in CASES}
