"""A small checker of structural schemas: what the API server checks before it comes to CEL."""

import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
    "number": (int, float),
}


def complaints(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """Yield what is wrong with a value, each with its path."""
    if not _right_type(schema, value):
        yield f"{path}: {value!r} is no {schema.get('type', 'integer or string')}"
    elif isinstance(value, dict):
        yield from _object(schema, value, path)
    elif isinstance(value, list):
        yield from _list(schema, value, path)
    else:
        yield from _scalar(schema, value, path)


def _right_type(schema: Schema, value: Any) -> bool:
    if "x-kubernetes-int-or-string" in schema:
        return isinstance(value, (int, str)) and not isinstance(value, bool)
    return isinstance(value, TYPES[schema["type"]])


def _object(schema: Schema, value: Schema, path: str) -> Iterator[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    yield from (f"{path}.{name}: required" for name in schema.get("required", ()) if name not in value)
    if len(value) > schema.get("maxProperties", len(value)):
        yield f"{path}: too many entries"
    for name, child in value.items():
        if name in known or others:
            yield from complaints(known.get(name, others), child, f"{path}.{name}")


def _list(schema: Schema, value: list[Any], path: str) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{path}: {len(value)} items"
    for index, item in enumerate(value):
        yield from complaints(schema["items"], item, f"{path}[{index}]")


def _scalar(schema: Schema, value: Any, path: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not in {schema['enum']}"
    if isinstance(value, str):
        if len(value) > schema.get("maxLength", len(value)):
            yield f"{path}: too long"
        if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
            yield f"{path}: {value!r} does not match {schema['pattern']}"
    elif not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{path}: {value} is out of bounds"


def unknown(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every field that the schema does not know."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknown(schema["items"], item, f"{path}[{index}]")
    elif isinstance(value, dict) and "additionalProperties" not in schema:
        known = schema.get("properties", {})
        yield from (f"{path}.{name}" for name in value if name not in known)
        for name in value.keys() & known.keys():
            yield from unknown(known[name], value[name], f"{path}.{name}")
