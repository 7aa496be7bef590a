"""Rules that every CRD keeps, whatever its kind."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from drover.api import crds
from drover.api.registry import DEFINITIONS, Definition

Schema = dict[str, Any]
Leaf = tuple[str, str, Schema, bool]
"""Path, what is said of it, schema, and whether it is required."""
ALL = [pytest.param(definition, id=definition.short) for definition in DEFINITIONS]
STANDARD = {".apiVersion", ".kind", ".metadata", ".metadata.name", ".spec", ".status"}


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every node of a schema with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if word in schema:
            yield from nodes(schema[word], f"{path}[]")


def fields(definition: Definition) -> list[tuple[str, Schema]]:
    """Every node that is not the object's standard frame."""
    return [(path, node) for path, node in nodes(crds.root(definition)) if path and path not in STANDARD]


def limited(node: Schema) -> bool:
    """Whether the cost of a rule over this node can be estimated."""
    limits = {"string": "maxLength", "array": "maxItems"}
    word = limits.get(node.get("type", ""), "maxProperties" if "additionalProperties" in node else "type")
    return word in node or "enum" in node or "x-kubernetes-int-or-string" in node


@pytest.mark.parametrize("definition", ALL)
def test_every_string_list_and_map_has_a_maximum(definition: Definition) -> None:
    assert [path for path, node in fields(definition) if not limited(node)] == []


@pytest.mark.parametrize("definition", ALL)
def test_every_field_says_what_it_is(definition: Definition) -> None:
    named = [(path, node) for path, node in fields(definition) if not path.endswith("[]")]

    assert [path for path, node in named if not node.get("description", "").endswith((".", ")"))] == []


WHEN = re.compile(
    r"\b[Ll]ive\b|[Ii]mmutable|next start|next scheduled|at each start|for the machine's life|at once|at any time"
    r"|restarted on request|new revision"
)
ABSENT = re.compile(r"[Dd]efault|[Aa]bsent|[Ee]mpty|exactly as in a Pod")
LOOKS = re.compile(r"such as|default that of")
WRITTEN = [each for each in ALL if each.id in {"vm", "plugin", "vmimage", "vol", "pool", "vnet", "sg"}]
"""Kinds whose specs users write."""


def leaves(schema: Schema, path: str = "spec", above: str = "", *, required: bool = True) -> Iterator[Leaf]:
    """Yield every field without fields of its own, with what is said of it and of all that it is in."""
    said = f"{above} {schema.get('description', '')}"
    inner = schema
    while "items" in inner:
        inner = inner["items"]
    if "properties" not in inner:
        yield path, said, schema, required
    for name, child in inner.get("properties", {}).items():
        yield from leaves(child, f"{path}.{name}", said, required=name in inner.get("required", ()))


def spec_leaves(definition: Definition) -> list[Leaf]:
    """Fields of a spec; what tells entries of a list apart is no setting."""
    spec = crds.root(definition)["properties"]["spec"]
    return [each for each in leaves(spec) if not each[0].endswith(".name") or "SecretRef" in each[0]]


@pytest.mark.parametrize("definition", WRITTEN)
def test_every_field_that_users_write_says_when_a_change_applies(definition: Definition) -> None:
    assert [path for path, said, _, _ in spec_leaves(definition) if not WHEN.search(said)] == []


@pytest.mark.parametrize("definition", WRITTEN)
def test_every_field_that_users_may_leave_out_says_what_is_then(definition: Definition) -> None:
    optional = [(path, said) for path, said, _, required in spec_leaves(definition) if not required]

    assert [path for path, said in optional if not ABSENT.search(said)] == []


@pytest.mark.parametrize("definition", WRITTEN)
def test_every_quantity_says_what_it_looks_like(definition: Definition) -> None:
    quantities = [
        (path, said) for path, said, node, _ in spec_leaves(definition) if "x-kubernetes-int-or-string" in node
    ]

    assert [path for path, said in quantities if not LOOKS.search(said)] == []


@pytest.mark.parametrize("definition", ALL)
def test_every_list_of_named_things_is_a_map(definition: Definition) -> None:
    lists = [(path, node) for path, node in fields(definition) if "name" in node.get("items", {}).get("properties", {})]

    assert [path for path, node in lists if node.get("x-kubernetes-list-type") != "map"] == []


@pytest.mark.parametrize("definition", ALL)
def test_no_field_is_a_boolean_where_a_third_value_could_come(definition: Definition) -> None:
    """Only facts and the mark of a default may be booleans."""
    found = [path for path, node in fields(definition) if node.get("type") == "boolean"]

    assert [path for path in found if not path.endswith((".ready", ".default"))] == []


@pytest.mark.parametrize("definition", ALL)
def test_no_crd_is_too_large_to_be_applied_by_kubectl(definition: Definition) -> None:
    assert len(json.dumps(crds.render(definition))) < 200_000


def test_the_machine_spec_is_the_list_of_fields_that_work() -> None:
    spec = crds.root(DEFINITIONS[0])["properties"]["spec"]

    assert list(spec["properties"]) == [
        "powerState",
        "restartPolicy",
        "terminationGracePeriodSeconds",
        "evictionPolicy",
        "deletionProtection",
        "plugin",
        "cpu",
        "memory",
        "architecture",
        "emulation",
        "machineType",
        "firmware",
        "kernel",
        "disks",
        "interfaces",
        "watchdog",
        "graphics",
        "devices",
        "cloudInit",
        "readinessProbe",
        "nodeSelector",
        "affinity",
        "tolerations",
        "topologySpreadConstraints",
        "priorityClassName",
    ]


def test_the_machine_spec_requires_nothing_and_defaults_only_the_power_state() -> None:
    spec = crds.root(DEFINITIONS[0])["properties"]["spec"]

    assert "required" not in spec
    assert [name for name, node in spec["properties"].items() if "default" in node] == ["powerState"]


def test_what_agents_and_users_select_by_is_selectable() -> None:
    chosen = {definition.short: definition.selectable for definition in DEFINITIONS if definition.selectable}

    assert chosen == {
        "vm": (".status.nodeName", ".status.phase"),
        "dom": (".spec.nodeName",),
        "vol": (".status.nodeName",),
        "vmimage": (".status.nodeName",),
    }


def test_each_kind_has_one_crd_called_by_its_plural() -> None:
    names = {name: body["metadata"]["name"] for name, body in crds.definitions().items()}

    assert len(names) == len(DEFINITIONS)
    assert [name for name, own in names.items() if name != own] == []
