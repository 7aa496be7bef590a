"""Selectors as the API server reads them, for answers to our own writes: those come without having been selected."""

from collections.abc import Mapping

from drover.state.resource import Body


def selects(labels: str, fields: str, body: Body) -> bool:
    """Tell whether selectors of the forms ``name`` (labels only) and ``name=value`` select the object."""
    own = body["metadata"].get("labels") or {}
    by_label = all(_has_label(own, term) for term in labels.split(",") if term)
    return by_label and all(_has_field(body, term) for term in fields.split(",") if term)


def _has_label(labels: Mapping[str, str], term: str) -> bool:
    name, equals, value = term.partition("=")
    return labels.get(name) == value if equals else name in labels


def _has_field(body: Body, term: str) -> bool:
    path, _, value = term.partition("=")
    found: object = body
    for name in path.split("."):
        found = found.get(name, "") if isinstance(found, Mapping) else ""
    return str(found) == value
