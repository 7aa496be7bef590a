"""Reference pages in Markdown, one a kind, rendered from the same schemas as the CRDs."""

from collections.abc import Iterable, Iterator

from drover.api.crds import root
from drover.api.registry import DEFINITIONS, Definition
from drover.api.schema import INT_OR_STRING, Schema

AS_IN_A_POD = frozenset({"affinity", "tolerations", "topologySpreadConstraints"})
"""Fields whose parts are documented by Kubernetes."""


def pages() -> dict[str, str]:
    """All pages by file name."""
    return {f"{definition.kind.name.lower()}.md": page(definition) for definition in DEFINITIONS} | {
        "README.md": index()
    }


def index() -> str:
    """Render the page that lists the kinds."""
    rows = (
        (
            f"[{definition.kind.name}]({definition.kind.name.lower()}.md)",
            definition.short,
            _scope(definition),
            _cell(definition.description),
        )
        for definition in DEFINITIONS
    )
    return "\n".join(["# Kinds", "", *_table(("kind", "short", "scope", "what it is"), rows), ""])


def page(definition: Definition) -> str:
    """Render the page of one kind: what it is, every field of spec and status, what is checked at apply."""
    schema = root(definition)
    return "\n".join([*_head(definition), *_fields("spec", schema), *_fields("status", schema), *_checks(schema)])


def _head(definition: Definition) -> list[str]:
    kind = definition.kind
    told = f"`{kind.api_version}`, {_scope(definition)}, `kubectl get {definition.short}`"
    selectable = ", ".join(f"`{path[1:]}`" for path in definition.selectable)
    return [
        f"# {kind.name}",
        "",
        definition.description,
        "",
        told + (f", field selectors: {selectable}" if selectable else "") + ".",
        "",
    ]


def _scope(definition: Definition) -> str:
    return "in a namespace" if definition.kind.namespaced else "cluster-wide"


def _fields(part: str, schema: Schema) -> list[str]:
    rows = list(_rows(schema["properties"][part], ""))
    return [f"## {part}", "", *_table(("field", "type", "meaning"), rows), ""] if rows else []


def _rows(schema: Schema, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Yield a row a field, depth first; list items carry ``[]`` in their path."""
    required = schema.get("required", ())
    for name, child in schema.get("properties", {}).items():
        kind = _type(child) + (", required" if name in required else "")
        yield f"`{prefix}{name}`", _cell(kind), _cell(child.get("description", ""))
        if name not in AS_IN_A_POD:
            below, mark = (child["items"], "[]") if "items" in child else (child, "")
            yield from _rows(below, f"{prefix}{name}{mark}.")


def _type(schema: Schema) -> str:
    """Tell the type in a few words, with its bounds."""
    if INT_OR_STRING in schema:
        return "quantity"
    if "enum" in schema:
        return " \\| ".join(str(value) for value in schema["enum"])
    if "items" in schema:
        return f"list of {_type(schema['items'])}, at most {schema['maxItems']}"
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}, at most {schema['maxProperties']}"
    return str(schema["type"]) + _bounds(schema)


def _bounds(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" {least} to {most}"
    return f" from {least}" if least is not None else ""


def _checks(schema: Schema) -> list[str]:
    """List what is refused at apply in fixed words; rules that name a value say so in their answer."""
    said = [f"- `{path}`: {message}" for path, message in _messages(schema, "") if message]
    return ["## Refused at apply", "", *said, ""] if said else []


def _messages(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield (path + rule.get("fieldPath", "")).lstrip("."), rule.get("message", "")
    for name, child in schema.get("properties", {}).items():
        if name not in AS_IN_A_POD:
            yield from _messages(child, f"{path}.{name}")
    if "items" in schema:
        yield from _messages(schema["items"], f"{path}[]")


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _cell(text: str) -> str:
    return text.replace("<", "&lt;").replace("\n", " ")
