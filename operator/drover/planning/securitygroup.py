"""What is said of a security group: who its members are, and whether the groups it names make sense."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from drover.api.securitygroup import SecurityGroupSpec, SecurityGroupStatus
from drover.planning.conditions import Finding, stamp, summary
from drover.planning.view import SecurityGroupView

MEMBERS = 4000
"""Addresses that a group tells at most."""


def status(
    group: SecurityGroupView, others: Mapping[str, SecurityGroupView], members: Iterable[str], *, now: str
) -> SecurityGroupStatus:
    """Sum up a group; `others` are all groups of its namespace by name, `members` the addresses of its interfaces."""
    every = sorted(set(members), key=lambda each: (":" in each, ip_address(each)))
    accepted = _accepted(group.meta.key.name, others)
    complete = _complete(len(every))
    findings = [accepted, summary([accepted, complete])]
    return SecurityGroupStatus(
        observed_generation=group.meta.generation,
        conditions=stamp(findings, group.status.conditions or [], now=now, generation=group.meta.generation),
        members=every[:MEMBERS] or None,
    )


def named(spec: SecurityGroupSpec) -> frozenset[str]:
    """Names of the groups that a group's rules refer to."""
    peers = (each for rule in spec.rules or () for each in (rule.from_, rule.to) if each)
    return frozenset(name for each in peers for name in each.security_groups or ())


def way(start: str, end: str, groups: Mapping[str, SecurityGroupView]) -> tuple[str, ...]:
    """Find the shortest way on which the rules of a group lead to another, or back to it; empty when none does."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    for known in ways:
        found = groups.get(known[-1])
        for following in sorted(named(found.spec)) if found else ():
            if following == end:
                return (*known, end)
            if following not in seen:
                seen.add(following)
                ways.append((*known, following))
    return ()


def _accepted(name: str, groups: Mapping[str, SecurityGroupView]) -> Finding:
    missing = sorted(named(groups[name].spec) - groups.keys())
    if missing:
        words = f"there is no SecurityGroup {', '.join(missing)} in this namespace: rules that name it meet nobody"
        return Finding("Accepted", "False", "SecurityGroupNotFound", words)
    around = way(name, name, groups)
    if around:
        words = f"its rules lead back to it: {' → '.join(around)}; what they name of it meets nobody"
        return Finding("Accepted", "False", "ReferenceLoop", words)
    return Finding("Accepted", "True", "Accepted")


def _complete(members: int) -> Finding:
    if members > MEMBERS:
        words = f"{members} addresses are more than the {MEMBERS} that are told: rules that name it meet only those"
        return Finding("Members", "False", "TooManyMembers", words)
    return Finding("Members", "True", "Told")
