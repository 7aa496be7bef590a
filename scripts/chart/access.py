"""What the accounts may do, told from the rendered rules: a row for each resource, as `kubectl auth can-i` answers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
ACCOUNTS = ("drover-controller", "drover-agent")


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """What a right is about."""

    group: str
    resource: str
    """With its subresource, if any, after a slash."""
    namespace: str = ""
    """Empty for the whole cluster."""
    name: str = ""
    """Empty for every object."""

    @property
    def text(self) -> str:
        """How the table calls it."""
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        whole, _, part = resource.partition("/")
        group = part.partition(".")[2]
        return f"{whole}.{group}/{part.partition('.')[0]}" if part and group else (f"{whole}/{part}" if part else whole)


def rights(bodies: Sequence[Object], account: str) -> dict[Target, frozenset[str]]:
    """Sum up what an account may do."""
    found: dict[Target, frozenset[str]] = {}
    for target, verbs in _granted(bodies, account):
        found[target] = found.get(target, frozenset()) | verbs
    return dict(sorted(found.items()))


def _granted(bodies: Sequence[Object], account: str) -> Iterator[tuple[Target, frozenset[str]]]:
    for binding in bodies:
        if binding["kind"] not in {"ClusterRoleBinding", "RoleBinding"} or account not in _subjects(binding):
            continue
        namespace = binding["metadata"].get("namespace", "")
        role = next(body for body in bodies if _identity(body) == _wanted(binding))
        for rule in role["rules"]:
            yield from ((target, frozenset(rule["verbs"])) for target in _targets(rule, namespace))


def _subjects(binding: Object) -> set[str]:
    return {subject["name"] for subject in binding["subjects"]}


def _identity(body: Object) -> tuple[str, str, str]:
    return body["kind"], body["metadata"]["name"], body["metadata"].get("namespace", "")


def _wanted(binding: Object) -> tuple[str, str, str]:
    reference = binding["roleRef"]
    within = binding["metadata"].get("namespace", "") if reference["kind"] == "Role" else ""
    return reference["kind"], reference["name"], within


def _targets(rule: Object, namespace: str) -> Iterable[Target]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for name in rule.get("resourceNames", [""]):
                yield Target(group, resource, namespace, name)


def table(bodies: Sequence[Object]) -> str:
    """Render the rights of both accounts."""
    return "\n\n".join(_section(account, rights(bodies, account)) for account in ACCOUNTS)


def _section(account: str, found: Mapping[Target, frozenset[str]]) -> str:
    head = [f"### {account}", "", f"| resource | where | {' | '.join(VERBS)} |", f"|---|---|{'---|' * len(VERBS)}"]
    return "\n".join([*head, *(_row(target, verbs) for target, verbs in found.items())])


def _row(target: Target, verbs: frozenset[str]) -> str:
    where = f"namespace {target.namespace}" if target.namespace else "everywhere"
    only = f", `{target.name}` only" if target.name else ""
    marks = " | ".join("yes" if verb in verbs else "" for verb in VERBS)
    return f"| `{target.text}` | {where}{only} | {marks} |"
