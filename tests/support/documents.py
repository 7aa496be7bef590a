"""YAML as documents show it: whole objects, pieces of one that begin at its spec, and values of the chart."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tests.support.structural import Schema, complaints, unknown

from drover.api import crds
from drover.api.kinds import GROUP
from drover.api.registry import DEFINITIONS

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^ *```ya?ml\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
VERSION = f"{GROUP}/v1alpha1"


@cache
def schemas() -> dict[str, Schema]:
    """The schema of every kind of ours."""
    return {definition.kind.name: crds.root(definition) for definition in DEFINITIONS}


def blocks() -> Iterator[tuple[str, Schema]]:
    """Yield every YAML document of every document, called after file and line."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            for body in yaml.safe_load_all(found[1]):
                yield f"{path.relative_to(ROOT)}:{line}", body


def ours() -> Iterator[tuple[str, Schema]]:
    """Yield every object of ours that a document shows; a piece is completed by the kind that knows its fields."""
    for name, body in blocks():
        if body.get("apiVersion", VERSION) == VERSION and not body.keys() <= values():
            yield name, body if "kind" in body else _completed(body)


def wrong(body: Schema) -> list[str]:
    """What the schema of an object's kind says against it; its metadata is the API server's own business."""
    schema = schemas().get(body.get("kind", ""), {"type": "object", "properties": {}})
    parts = {part: value for part, value in body.items() if part not in {"apiVersion", "kind", "metadata"}}
    return [*complaints(schema, parts), *unknown(schema, parts)]


@cache
def values() -> frozenset[str]:
    """Names of the chart's values."""
    known: dict[str, Any] = json.loads((ROOT / "helm" / "drover" / "values.schema.json").read_text(encoding="utf-8"))
    return frozenset(known["properties"])


def _completed(piece: Schema) -> Schema:
    """Of no kind at all, if none knows all fields of the piece: then what is said against it is said of them."""
    whole = ({"apiVersion": VERSION, "kind": kind, "metadata": {"name": "shown"}} | piece for kind in schemas())
    return next((body for body in whole if not wrong(body)), piece)
