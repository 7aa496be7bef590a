"""From models to structural schemas: each trap of the dialect, and that what a model accepts its schema accepts."""

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, ValidationError
from tests.support.structural import complaints

from drover.api import registry
from drover.api.base import Model, Quantity, rule, rules
from drover.api.schema import openapi


class Part(Model):
    """A part
    of a whole."""

    model_config = ConfigDict(json_schema_extra=rules(rule("true", "below")))

    title: str
    """The title."""


class Whole(Model):
    """The whole."""

    part: Annotated[Part, Field(json_schema_extra=rules(rule("true", "above")))] | None = None
    """Its part."""
    only: Literal["one"] = "one"
    """A constant."""
    size: Quantity | None = None
    """A quantity."""
    above: Annotated[int, Field(gt=0)] = 1
    """More than nothing."""
    names: dict[str, str] = Field(default={})
    """Strings by name."""
    free: dict[str, Any] | None = None
    """Anything."""
    parts: Annotated[list[Part], Field(default=[], json_schema_extra={"x-kubernetes-list-map-keys": ["title"]})]
    """Many parts."""


class Two(Model):
    """A union."""

    either: int | list[str]
    """Two types."""


FIELDS: dict[str, Any] = openapi(Whole)["properties"]


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        pytest.param(
            "part",
            {
                "type": "object",
                "description": "Its part.",
                "required": ["title"],
                "properties": {"title": {"type": "string", "description": "The title."}},
                "x-kubernetes-validations": [
                    {"rule": "true", "message": "below"},
                    {"rule": "true", "message": "above"},
                ],
            },
            id="a-reference-is-inlined-and-a-property-may-be-called-title",
        ),
        pytest.param(
            "only",
            {"type": "string", "enum": ["one"], "default": "one", "description": "A constant."},
            id="a-constant-is-an-enumeration-of-one",
        ),
        pytest.param(
            "above",
            {
                "type": "integer",
                "minimum": 0,
                "exclusiveMinimum": True,
                "default": 1,
                "description": "More than nothing.",
            },
            id="exclusive-stands-beside-the-bound",
        ),
        pytest.param(
            "names",
            {"type": "object", "additionalProperties": {"type": "string"}, "description": "Strings by name."},
            id="a-map-has-typed-values-and-no-empty-default",
        ),
        pytest.param("free", {"type": "object", "description": "Anything."}, id="no-permission-is-spelled-out"),
    ],
)
def test_a_field_becomes_structural(field: str, schema: dict[str, Any]) -> None:
    assert FIELDS[field] == schema


def test_a_quantity_is_an_integer_or_a_string_without_a_type() -> None:
    size = FIELDS["size"]

    assert ("type" in size, size["x-kubernetes-int-or-string"]) == (False, True)
    assert size["anyOf"] == [{"type": "integer"}, {"type": "string"}]


def test_a_status_has_no_defaults_and_requires_only_what_tells_items_apart() -> None:
    seen = openapi(Whole, observed=True)["properties"]

    assert ("default" in seen["only"], "required" in seen["part"]) == (False, False)
    assert seen["parts"]["items"]["required"] == ["title"]


def test_a_union_that_a_crd_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="no union but int-or-string"):
        openapi(Two)


QUANTITIES = st.one_of(st.integers(), st.text(max_size=5), st.from_regex(r"[0-9]{1,4}(m|k|Mi|Gi|Ki)?", fullmatch=True))
WORDS = st.one_of(st.text(max_size=25), st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True))
PATHS = st.one_of(WORDS, st.from_regex(r"/[!-~]{0,5}", fullmatch=True))
MACS = st.one_of(WORDS, st.from_regex(r"[0-9a-f][12ae](:[0-9a-f]{2}){5}", fullmatch=True))
PROBES = st.fixed_dictionaries({"port": st.integers(0, 70000)}, optional={"path": PATHS})
DISKS = st.fixed_dictionaries({"name": WORDS}, optional={"size": QUANTITIES, "image": WORDS, "volume": WORDS})
INTERFACES = st.fixed_dictionaries({"name": WORDS}, optional={"macAddress": MACS, "address": WORDS, "network": WORDS})
FIELD_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "powerState": st.sampled_from(["Running", "Stopped", "On"]),
    "terminationGracePeriodSeconds": st.integers(-1, 90000),
    "cpu": st.fixed_dictionaries({}, optional={"cores": st.integers(-1, 300), "request": QUANTITIES}),
    "memory": st.fixed_dictionaries({}, optional={"size": QUANTITIES}),
    "disks": st.one_of(st.lists(DISKS, max_size=2), st.lists(st.just({"name": "a"}), max_size=20)),
    "interfaces": st.lists(INTERFACES, max_size=2),
    "readinessProbe": st.fixed_dictionaries({}, optional={"httpGet": PROBES}),
    "nodeSelector": st.dictionaries(WORDS, st.text(max_size=70), max_size=20),
    "priorityClassName": WORDS,
}
SPECS = st.one_of(*(st.fixed_dictionaries({field: values}) for field, values in FIELD_VALUES.items()))
VM = next(definition for definition in registry.DEFINITIONS if definition.short == "vm")
VM_SCHEMA = openapi(VM.spec)


@settings(max_examples=500)
@given(SPECS)
def test_what_the_machine_model_accepts_its_schema_accepts(spec: dict[str, Any]) -> None:
    try:
        VM.spec.model_validate(spec)
    except ValidationError:
        return
    assert list(complaints(VM_SCHEMA, spec)) == []


@settings(max_examples=500)
@given(SPECS)
def test_what_the_machine_schema_accepts_its_model_accepts(spec: dict[str, Any]) -> None:
    if not list(complaints(VM_SCHEMA, spec)):
        VM.spec.model_validate(spec)
