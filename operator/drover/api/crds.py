"""CustomResourceDefinitions, rendered from the registry: pure, so that the same input gives the same bytes."""

from drover import __version__
from drover.api.kinds import GROUP
from drover.api.registry import DEFINITIONS, Column, Definition
from drover.api.schema import RULES, Schema, openapi

CATEGORY = "drover"
"""``kubectl get drover`` lists all our kinds; none is in ``all``, so ``delete all --all`` keeps machines."""

ANNOTATION_VERSION = f"{GROUP}/version"
"""Release of Drover that a CRD is of."""


def definitions() -> dict[str, Schema]:
    """All CRDs by object name, in the order of the registry."""
    return {name(definition): render(definition) for definition in DEFINITIONS}


def name(definition: Definition) -> str:
    """Name of the CRD object: ``<plural>.<group>``."""
    return f"{definition.kind.plural}.{GROUP}"


def render(definition: Definition) -> Schema:
    """One CRD."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name(definition), "annotations": {ANNOTATION_VERSION: __version__}},
        "spec": {
            "group": GROUP,
            "names": _names(definition),
            "scope": "Namespaced" if definition.kind.namespaced else "Cluster",
            "versions": [_version(definition)],
        },
    }


def root(definition: Definition) -> Schema:
    """Schema of the whole object; the spec is required wherever anything can be said in it."""
    spec = openapi(definition.spec)
    schema: Schema = {
        "description": definition.description,
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": spec,
            "status": openapi(definition.status, observed=True),
        },
    }
    required = {"required": ["spec"]} if spec.get("properties") else {}
    root_rules = {RULES: [dict(rule) for rule in definition.root_rules]} if definition.root_rules else {}
    return schema | required | root_rules


def _names(definition: Definition) -> Schema:
    return {
        "kind": definition.kind.name,
        "listKind": f"{definition.kind.name}List",
        "plural": definition.kind.plural,
        "singular": definition.kind.name.lower(),
        "shortNames": [definition.short],
        "categories": [CATEGORY],
    }


def _version(definition: Definition) -> Schema:
    selectable = [{"jsonPath": path} for path in definition.selectable]
    return {
        "name": definition.kind.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column) for column in definition.columns],
        **({"selectableFields": selectable} if selectable else {}),
        "schema": {"openAPIV3Schema": root(definition)},
    }


def _column(column: Column) -> Schema:
    shown = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return shown | ({"priority": 1} if column.wide else {})
