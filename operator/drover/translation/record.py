"""The agent's record as an element of libvirt's domain metadata: JSON inside one element of our namespace."""

import json

from pydantic import TypeAdapter, ValidationError

from drover.state.guest import Record
from drover.translation.xml import Element, element, parse, render

NAMESPACE = "https://drover.dev/xmlns/record/1"
PREFIX = "drover"
"""Prefix under which libvirt shows it."""
_RECORD = TypeAdapter(Record)


def to_element(record: Record) -> Element:
    """The record as it stands in a domain document."""
    return element(f"{{{NAMESPACE}}}record", _content(record))


def to_text(record: Record) -> str:
    """The record as the metadata call takes it: libvirt puts the namespace on."""
    return render(element("record", _content(record)))


def _content(record: Record) -> str:
    """The record as JSON; ASCII only, so that no character of a message can be one that XML forbids."""
    content = _RECORD.dump_python(record, mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(content, separators=(",", ":"), sort_keys=True)


def from_text(document: str) -> Record | None:
    """Read the record; None when it is not one of ours. Fields of a newer version are ignored."""
    try:
        return _RECORD.validate_json(parse(document).text or "")
    except ValidationError:
        return None
