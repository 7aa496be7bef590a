"""The scheduling fields of a machine, exactly as in a Pod: they go onto the anchor pod as they are written.

Only their schema is made here, so that a slip is refused at apply; the values stay plain data on their way to the pod.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from drover.api.base import Label, Model, rule, rules
from drover.api.schema import openapi

Values = Annotated[list[Annotated[str, Field(max_length=63)]], Field(max_length=64)]
LabelKey = Annotated[str, Field(max_length=317)]
Weight = Annotated[int, Field(ge=1, le=100)]
Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=16)]
TermLabels = Annotated[list[LabelKey], Field(max_length=16)]

_VALUES_FIT = rules(
    rule(
        "self.operator in ['In', 'NotIn'] ? size(self.?values.orValue([])) > 0 : "
        "self.operator in ['Gt', 'Lt'] ? size(self.?values.orValue([])) == 1 : size(self.?values.orValue([])) == 0",
        "'operator ' + self.operator + ' of key ' + self.key + ' takes '"
        " + (self.operator in ['In', 'NotIn'] ? 'at least one value' :"
        " self.operator in ['Gt', 'Lt'] ? 'exactly one value' : 'no values')",
        dynamic=True,
    )
)


class LabelRequirement(Model):
    """One requirement on a label."""

    model_config = ConfigDict(json_schema_extra=_VALUES_FIT)

    key: LabelKey
    """Name of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How its value relates to `values`."""
    values: Values | None = None
    """Values, for In and NotIn."""


class LabelSelector(Model):
    """Objects by their labels; all parts must match, an empty selector matches everything."""

    match_labels: Labels | None = None
    """Labels with exactly these values."""
    match_expressions: Annotated[list[LabelRequirement], Field(max_length=16)] | None = None
    """Further requirements."""


class NodeRequirement(Model):
    """One requirement on a label or field of a node."""

    model_config = ConfigDict(json_schema_extra=_VALUES_FIT)

    key: LabelKey
    """Name of the label or field."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """How its value relates to `values`."""
    values: Values | None = None
    """Values: any number for In and NotIn, one for Gt and Lt, none else."""


class NodeTerm(Model):
    """Requirements that a node must meet together."""

    match_expressions: Annotated[list[NodeRequirement], Field(max_length=16)] | None = None
    """On its labels."""
    match_fields: Annotated[list[NodeRequirement], Field(max_length=4)] | None = None
    """On its fields, such as metadata.name."""


class NodeTerms(Model):
    """Terms of which a node must meet one."""

    node_selector_terms: Annotated[list[NodeTerm], Field(min_length=1, max_length=16)]
    """The terms."""


class PreferredNodes(Model):
    """Nodes that are liked."""

    weight: Weight
    """How much, 1 to 100."""
    preference: NodeTerm
    """Which."""


class NodeAffinity(Model):
    """Which nodes."""

    required_during_scheduling_ignored_during_execution: NodeTerms | None = None
    """Only these."""
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredNodes], Field(max_length=16)] | None
    ) = None
    """These, if possible."""


class PodTerm(Model):
    """Places that are near pods with certain labels; machines are seen as their anchor pods."""

    label_selector: LabelSelector | None = None
    """Which pods."""
    namespaces: Annotated[list[Label], Field(max_length=16)] | None = None
    """Namespaces of the pods; default the own."""
    namespace_selector: LabelSelector | None = None
    """Namespaces of the pods, by label."""
    topology_key: Annotated[str, Field(min_length=1, max_length=317)]
    """Node label that says what near means: kubernetes.io/hostname, topology.kubernetes.io/zone."""
    match_label_keys: TermLabels | None = None
    """Labels in which the pods must agree with the own."""
    mismatch_label_keys: TermLabels | None = None
    """Labels in which the pods must differ from the own."""


class PreferredPods(Model):
    """Places that are liked."""

    weight: Weight
    """How much, 1 to 100."""
    pod_affinity_term: PodTerm
    """Which."""


class PodAffinity(Model):
    """Near which pods, or away from which."""

    required_during_scheduling_ignored_during_execution: Annotated[list[PodTerm], Field(max_length=16)] | None = None
    """Only such places."""
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredPods], Field(max_length=16)] | None
    ) = None
    """Such places, if possible."""


class Affinity(Model):
    """Where the machine goes, by node and by what else is there."""

    node_affinity: NodeAffinity | None = None
    """Which nodes."""
    pod_affinity: PodAffinity | None = None
    """Near which pods."""
    pod_anti_affinity: PodAffinity | None = None
    """Away from which pods."""


class Toleration(Model):
    """A taint the machine tolerates."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.?operator.orValue('Equal') != 'Exists' || self.?value.orValue('') == ''",
                "operator Exists takes no value",
                path=".value",
            ),
            rule(
                "self.?key.orValue('') != '' || self.?operator.orValue('Equal') == 'Exists'",
                "without a key the operator must be Exists",
                path=".operator",
            ),
            rule(
                "!has(self.tolerationSeconds) || self.?effect.orValue('') == 'NoExecute'",
                "tolerationSeconds goes with effect NoExecute",
                path=".tolerationSeconds",
            ),
        )
    )

    key: LabelKey | None = None
    """Key of the taint; absent: every key, with operator Exists."""
    operator: Literal["Equal", "Exists"] | None = None
    """Equal (default): the taint's value is `value`; Exists: any value."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; absent: every effect."""
    toleration_seconds: int | None = None
    """Seconds a NoExecute taint is tolerated; absent: for ever."""


class Spread(Model):
    """How evenly pods with certain labels spread."""

    max_skew: Annotated[int, Field(ge=1)]
    """Largest difference in number between two places."""
    topology_key: Annotated[str, Field(min_length=1, max_length=317)]
    """Node label that says what a place is."""
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    """Whether to wait or to make do."""
    label_selector: LabelSelector | None = None
    """Which pods are counted."""
    min_domains: Annotated[int, Field(ge=1)] | None = None
    """Least number of places, with DoNotSchedule."""
    node_affinity_policy: Literal["Honor", "Ignore"] | None = None
    """Whether nodes that affinity rules out are counted."""
    node_taints_policy: Literal["Honor", "Ignore"] | None = None
    """Whether tainted nodes are counted."""
    match_label_keys: TermLabels | None = None
    """Labels in which the pods must agree with the own."""


_Plain = dict[str, Any]
AffinityData = Annotated[_Plain, WithJsonSchema(openapi(Affinity))]
TolerationData = Annotated[_Plain, WithJsonSchema(openapi(Toleration))]
SpreadData = Annotated[_Plain, WithJsonSchema(openapi(Spread))]
SelectorData = Annotated[_Plain, WithJsonSchema(openapi(LabelSelector))]
