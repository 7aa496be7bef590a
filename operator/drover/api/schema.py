"""From a pydantic model to a structural schema, the dialect of JSON schema that a CRD may hold.

Structural means: no references, no unions but int-or-string, one type a node. A field's docstring becomes its
description, so it is written once and read in ``kubectl explain``, in the CRD and on the reference page.
"""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
"""A JSON schema: plain data, ready to be dumped as YAML."""

RULES = "x-kubernetes-validations"
INT_OR_STRING = "x-kubernetes-int-or-string"
MAP_KEYS = "x-kubernetes-list-map-keys"

_DROPPED = frozenset(
    {"$defs", "const", "deprecated", "discriminator", "examples", "readOnly", "title", "uniqueItems", "writeOnly"}
)
_EXCLUSIVE = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def openapi(model: type[BaseModel], *, observed: bool = False) -> Schema:
    """Render a model; an `observed` one (a status) has no defaults and requires only what list items are told apart by."""
    schema = structural(model.model_json_schema(by_alias=True), {})
    return _observed(schema) if observed else schema


def structural(node: Schema, definitions: Schema) -> Schema:
    """Render one node of a JSON schema and all below it; `definitions` are the targets of its references."""
    known = definitions | node.get("$defs", {})
    flat = _flat(node, known)
    kept = {word: value for word, value in flat.items() if word not in _DROPPED and not _says_nothing(word, value)}
    return _exclusive(kept) | _enumerated(flat) | _described(flat) | _children(flat, known)


def _flat(node: Schema, definitions: Schema) -> Schema:
    """Put what a reference or an optional type stands for in its place; what stands beside it wins."""
    own = {word: value for word, value in node.items() if word not in {"$ref", "anyOf"}}
    if INT_OR_STRING in own:
        return own | {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    if "$ref" in node:
        return _over(own, _flat(definitions[node["$ref"].rpartition("/")[2]], definitions))
    choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) > 1:
        raise ValueError(f"a CRD knows no union but int-or-string: {choices}")
    return _over(own, _flat(choices[0], definitions)) if choices else own


def _over(own: Schema, below: Schema) -> Schema:
    both = [*below.get(RULES, ()), *own.get(RULES, ())]
    return below | own | ({RULES: both} if both else {})


def _says_nothing(word: str, value: object) -> bool:
    """An empty default, and the permission or ban of other properties: pruning is the API server's own business."""
    return (word == "default" and value in (None, "", [], {})) or (
        word == "additionalProperties" and value in (True, False)
    )


def _exclusive(node: Schema) -> Schema:
    """OpenAPI v3.0 says "exclusive" beside the bound, not instead of it."""
    bounds = {limit: node[word] for word, limit in _EXCLUSIVE.items() if word in node}
    return node | bounds | {word: True for word in _EXCLUSIVE if word in node}


def _enumerated(node: Schema) -> Schema:
    return {"enum": [node["const"]]} if "const" in node else {}


def _described(node: Schema) -> Schema:
    return {"description": " ".join(node["description"].split())} if "description" in node else {}


def _children(node: Schema, definitions: Schema) -> Schema:
    """Render properties, items and map values."""
    parts: Schema = {}
    if "properties" in node:
        parts["properties"] = {name: structural(child, definitions) for name, child in node["properties"].items()}
    if "items" in node:
        parts["items"] = structural(node["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict):
        parts["additionalProperties"] = structural(node["additionalProperties"], definitions)
    return parts


def _observed(node: Schema, keys: tuple[str, ...] = ()) -> Schema:
    """Take out defaults and requirements, except the `keys` of list items and the standard conditions."""
    kept = {word: value for word, value in node.items() if word not in {"default", "required"}}
    if keys:
        kept["required"] = list(keys)
    if "items" in node:
        kept["items"] = _observed(node["items"], tuple(node.get(MAP_KEYS, ())))
    if "properties" in node:
        kept["properties"] = {
            name: child if name == "conditions" else _observed(child) for name, child in node["properties"].items()
        }
    return kept
