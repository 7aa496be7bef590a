"""The phase: one word for people that sums a machine up; nothing is decided by it."""

from drover.planning import power
from drover.planning.found import Situation
from drover.planning.view import DomainView

WORDS = {
    "Pending": "Provisioning",
    "Starting": "Starting",
    "Running": "Running",
    "Paused": "Paused",
    "Stopping": "Stopping",
    "Unknown": "Unknown",
}
"""By the state that the node's agent reports."""
SETTLED = frozenset({"Running", "Paused", "Hibernated", "Stopped", "CrashLoopBackOff"})
"""Phases that last: told at once, while passing ones are told only if they do not pass."""


def phase(situation: Situation) -> str:
    """Find the word."""
    domain = situation.domain
    if domain is None:
        return _without_domain(situation)
    if situation.down:
        return _down(situation, domain)
    if situation.silent:
        return "Unknown"
    if domain.status.state in power.OFF_STATES:
        return _off(situation, domain)
    stopping = domain.meta.deleting or domain.spec.power_state not in power.ON
    if stopping and domain.status.state in {"Running", "Paused", "Starting"}:
        return "Stopping"
    return WORDS.get(domain.status.state or "Pending", "Unknown")


def settled(situation: Situation, word: str) -> bool:
    """Tell whether nothing is about to change by itself."""
    domain = situation.domain
    if word not in SETTLED or situation.silent or (domain and not power.current(domain)):
        return False
    return word not in power.ON or word == situation.machine.spec.power_state


def _without_domain(situation: Situation) -> str:
    if not situation.wants:
        return "Stopped"
    if not situation.sound or situation.anchor is None:
        return "Pending"
    return "Provisioning" if situation.anchor.node else "Scheduling"


def _down(situation: Situation, domain: DomainView) -> str:
    """Find the word for a machine whose guest went off with its node."""
    if situation.wants:
        return "Scheduling"
    return "Hibernated" if power.saves_memory(domain) else "Stopped"


def _off(situation: Situation, domain: DomainView) -> str:
    status = domain.status
    if status.next_restart is not None:
        return "CrashLoopBackOff"
    if not situation.wants or status.reason == "ResumeFailed":
        return status.state or "Stopped"
    return "Starting" if situation.holding else "Scheduling"
