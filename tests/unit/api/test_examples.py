"""Every example that ships is sound by the schema, without a field that would be unknown."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.structural import complaints, unknown

from drover.api import crds
from drover.api.registry import DEFINITIONS

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = {definition.kind.name: crds.root(definition) for definition in DEFINITIONS}


def examples() -> Iterator[Any]:
    """Yield every object of ours of every example, called after its file."""
    for path in sorted((ROOT / "manifests" / "examples").glob("*.yaml")):
        for body in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if body["apiVersion"].startswith("drover.dev/"):
                yield pytest.param(body, id=f"{path.stem}-{body['kind']}")


@pytest.mark.parametrize("body", list(examples()))
def test_an_example_keeps_the_schema(body: dict[str, Any]) -> None:
    parts = {part: body[part] for part in ("spec", "status") if part in body}

    assert [*complaints(SCHEMAS[body["kind"]], parts), *unknown(SCHEMAS[body["kind"]], parts)] == []
