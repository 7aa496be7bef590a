"""The chart's values as their file describes them: comment, default, and what ``@schema`` in a comment narrows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

MARK = "@schema"
SCALARS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


@dataclass(frozen=True, slots=True)
class Value:
    """One key of the file."""

    path: tuple[str, ...]
    default: Any
    about: str
    """Its comment, as one line."""
    narrowed: Mapping[str, Any]
    """Words of JSON schema from the comment."""
    members: tuple["Value", ...]
    """The keys below it; none of a value that users fill as they like."""

    @property
    def name(self) -> str:
        """Path as users write it."""
        return ".".join(self.path)


def read(text: str) -> Value:
    """Read a file of values; the comment at its very top is about all of them."""
    lines = text.split("\n")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    about, narrowed = _comment(_block(lines, len(_leading(lines))))
    return Value((), yaml.safe_load(text), about, narrowed, tuple(_members(root, (), lines)))


def _leading(lines: Sequence[str]) -> list[str]:
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return list(lines[:end])


def _members(node: yaml.MappingNode, path: tuple[str, ...], lines: Sequence[str]) -> Iterator[Value]:
    for key, content in node.value:
        about, narrowed = _comment(_block(lines, key.start_mark.line))
        here = (*path, key.value)
        nested = isinstance(content, yaml.MappingNode) and not content.flow_style and not _open(narrowed)
        members = tuple(_members(content, here, lines)) if nested else ()
        yield Value(here, _construct(content), about, narrowed, members)


def _open(narrowed: Mapping[str, Any]) -> bool:
    """Whether the keys below are for users to choose."""
    return "freeform" in narrowed or "additionalProperties" in narrowed


def _construct(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node, Dumper=yaml.SafeDumper))


def _block(lines: Sequence[str], before: int) -> list[str]:
    """Comment lines right above a line."""
    found: list[str] = []
    while before and lines[before - 1].lstrip().startswith("#"):
        before -= 1
        found.insert(0, lines[before].lstrip().removeprefix("#").strip())
    return found


def _comment(block: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
    prose = " ".join(line for line in block if not line.startswith(MARK))
    narrow = " ".join(line.removeprefix(MARK) for line in block if line.startswith(MARK))
    return prose, yaml.safe_load(f"{{{narrow}}}")


def schema(value: Value) -> dict[str, Any]:
    """Render JSON schema that admits what the file describes, and no key besides."""
    narrowed = {word: content for word, content in value.narrowed.items() if word != "freeform"}
    about = {"description": value.about} if value.about else {}
    if value.members:
        members = {member.path[-1]: schema(member) for member in value.members}
        return about | {"type": "object", "properties": members, "additionalProperties": False} | narrowed
    return about | {"type": _type(value.default), "default": value.default} | narrowed


def _type(default: Any) -> str:
    if isinstance(default, dict):
        return "object"
    return "array" if isinstance(default, list) else SCALARS[type(default).__name__]


def document(value: Value, notice: str) -> dict[str, Any]:
    """Render ``values.schema.json``."""
    content = schema(value)
    # Helm hands what all charts of a release share to each of them.
    content["properties"] = {**content["properties"], "global": {"type": "object"}}
    return {"$schema": "http://json-schema.org/draft-07/schema#", "$comment": notice, **content}


def leaves(value: Value) -> Iterator[Value]:
    """Yield every value that can be set by itself."""
    if not value.members:
        yield value
    for member in value.members:
        yield from leaves(member)


def page(value: Value) -> str:
    """Render the reference page of the values."""
    told = ((leaf, leaf.about.replace("|", "\\|")) for leaf in leaves(value))
    rows = [f"| `{leaf.name}` | {_code(leaf.default)} | {about} |" for leaf, about in told]
    head = ["# Values of the Helm chart", "", "`helm install drover helm/drover --set NAME=VALUE`, or `-f FILE`.", ""]
    return "\n".join([*head, "| value | default | what it is |", "|---|---|---|", *rows]) + "\n"


def _code(default: Any) -> str:
    text = yaml.safe_dump(default, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
    return f"`{text}`"
