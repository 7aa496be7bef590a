"""Every example that ships or stands in a document is sound by the schema, without a field that would be unknown."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support import documents

ROOT = Path(__file__).resolve().parents[3]


def examples() -> Iterator[Any]:
    """Yield every object of ours of every example, called after its file."""
    for path in sorted((ROOT / "manifests" / "examples").glob("*.yaml")):
        for body in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if body["apiVersion"] == documents.VERSION:
                yield pytest.param(body, id=f"{path.stem}-{body['kind']}")


@pytest.mark.parametrize("body", list(examples()))
def test_an_example_keeps_the_schema(body: dict[str, Any]) -> None:
    assert documents.wrong(body) == []


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in documents.ours()])
def test_yaml_in_a_document_keeps_the_schema(body: dict[str, Any]) -> None:
    assert body["apiVersion"], "neither an object, nor a piece of one that begins at its spec, nor values of the chart"
    assert documents.wrong(body) == []
