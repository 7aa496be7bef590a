"""Texts of a seed as cloud-init will read them: what is wrong with one, and in which line."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import yaml

from drover.api.cloudinit import FORMS

Part = Literal["userData", "networkData", "metaData"]

DEPTH = 64
"""How deep a document may be nested."""
GZIP = b"\x1f\x8b"
CLOUD_CONFIG = "#cloud-config"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a text."""

    line: int
    """Counted from 1."""
    words: str
    """What is wrong; it may quote a little of the text, so it is not for Secrets."""
    kind: str = "not valid YAML"
    """The same without quoting anything."""


@lru_cache(maxsize=256)
def fault(part: Part, text: str) -> Fault | None:
    """Find what is wrong with a text."""
    if part == "metaData":
        return _mapping(text) or _built(text)
    if part == "networkData":
        return _mapping(text)
    first = text.partition("\n")[0].strip()
    if not first.startswith(FORMS):
        known = f"must begin with {CLOUD_CONFIG}, #! or another form that cloud-init knows"
        return Fault(1, known, known)
    return _mapping(text) if first == CLOUD_CONFIG else None


def mapping(text: str) -> dict[str, object]:
    """Read metadata that has no fault: every scalar as text."""
    found: dict[str, object] = yaml.load(text, Loader=yaml.CBaseLoader) or {}  # noqa: S506 - it builds only texts
    return found


def fault_in_bytes(part: Part, content: bytes) -> Fault | None:
    """Find what is wrong with a text that came from a Secret; compressed user data is left to cloud-init."""
    if part == "userData" and content.startswith(GZIP):
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return Fault(1 + content[: error.start].count(b"\n"), "not UTF-8", "not UTF-8")
    return fault.__wrapped__(part, text)


def _mapping(text: str) -> Fault | None:
    try:
        return next(_faults(text), None)
    except yaml.MarkedYAMLError as error:
        return _marked(text, error)
    except yaml.reader.ReaderError as error:
        return Fault(1 + text[: error.position].count("\n"), "a character that YAML does not allow")


def _built(text: str) -> Fault | None:
    """Metadata is put together with ours, so it must also be possible to build it."""
    if "*" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CSafeLoader)):
        return Fault(1, "aliases are not taken here", "aliases")
    try:
        mapping(text)
    except yaml.MarkedYAMLError as error:
        return _marked(text, error)
    return None


def _marked(text: str, error: yaml.MarkedYAMLError) -> Fault:
    """Where a document ends too soon the parser points behind its last line."""
    line = 1 + error.problem_mark.line if error.problem_mark else 1
    return Fault(min(line, len(text.splitlines())), str(error.problem))


def _faults(text: str) -> Iterator[Fault]:
    """Walk over a document without building it, so that neither depth nor aliases can cost anything."""
    depth, documents = 0, 0
    anchors: set[str] = set()
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        line = 1 + (event.start_mark.line if event.start_mark else 0)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if documents > 1:
            yield Fault(line, "a second document", "a second document")
        if isinstance(event, yaml.NodeEvent):
            yield from _node_faults(event, depth, anchors, line)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            yield Fault(line, f"nested more than {DEPTH} deep", "nested too deep")


def _node_faults(event: yaml.NodeEvent, depth: int, anchors: set[str], line: int) -> Iterator[Fault]:
    if depth == 0 and not isinstance(event, yaml.MappingStartEvent) and not _is_nothing(event):
        yield Fault(line, "must be a mapping, such as name: value", "no mapping")
    if isinstance(event, yaml.AliasEvent) and event.anchor not in anchors:
        yield Fault(line, f"alias *{event.anchor} has no anchor", "an alias without an anchor")
    if event.anchor:
        anchors.add(event.anchor)


def _is_nothing(event: yaml.NodeEvent) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == ""
