"""A PodDisruptionBudget as the cache holds it: whose it is and which pods it means."""

from dataclasses import dataclass

from drover.state.resource import Body, Meta, read_meta


@dataclass(frozen=True, slots=True)
class Requirement:
    """One expression of a label selector."""

    label: str
    operator: str
    """In, NotIn, Exists or DoesNotExist."""
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """The parts of a budget that tell whether it covers a pod."""

    meta: Meta
    requirements: tuple[Requirement, ...] | None
    """All of them must hold; ``None`` means no pod at all."""


def read_budget(body: Body) -> Budget:
    """Read a PodDisruptionBudget."""
    selector = (body.get("spec") or {}).get("selector")
    if selector is None:
        return Budget(read_meta(body), None)
    equal = (Requirement(label, "In", (value,)) for label, value in (selector.get("matchLabels") or {}).items())
    others = (
        Requirement(each["key"], each["operator"], tuple(each.get("values") or ()))
        for each in selector.get("matchExpressions") or ()
    )
    return Budget(read_meta(body), (*equal, *others))
