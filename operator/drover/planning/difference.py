"""One difference between the machine in flight and its spec, and how a device comes and goes in two steps.

What a guest may get, and what it may lose, is written down before it is touched: the node may be interrupted at any
moment, and the spec be another one when it goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from drover.api.domain import LiveMachine
from drover.planning import live
from drover.planning.domain_action import DomainAction

Effect = Literal["Live", "Restart", "Impossible"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, and what becomes of it."""

    path: str
    present: str
    desired: str
    effect: Effect = "Restart"
    reason: str = ""
    steps: tuple[DomainAction, ...] = ()
    """What the node does about it at once."""
    after: LiveMachine | None = None
    """What the machine in flight has when they are done."""
    begun: bool = False
    """Whether it was begun: then it is ended, whatever else has changed since."""


def plug(
    present: LiveMachine, change: Difference, ready: tuple[DomainAction, ...], update: Mapping[str, list[str]]
) -> Difference:
    """Make all ready, and write down that the guest may have a device from now on; the next look plugs it in."""
    changing = {**present.changing, change.path: live.PLUGGING}
    after = present.model_copy(update={**update, "changing": changing})
    return replace(change, effect="Live", steps=ready, after=after)


def unplug(
    present: LiveMachine, change: Difference, steps: tuple[DomainAction, ...], update: Mapping[str, list[str]]
) -> Difference:
    """Write down that the guest may lose a device from now on; once that is so, take it out."""
    if present.changing.get(change.path) == live.UNPLUGGING:
        return begun(present.model_copy(update=dict(update)), change, steps)
    changing = {**present.changing, change.path: live.UNPLUGGING}
    after = present.model_copy(update={"changing": changing})
    return replace(change, effect="Live", after=after, begun=change.path in present.changing)


def begun(present: LiveMachine, change: Difference, steps: tuple[DomainAction, ...]) -> Difference:
    """Do what was written down, and write down that it is done."""
    changing = {path: step for path, step in present.changing.items() if path != change.path}
    after = present.model_copy(update={"changing": changing})
    return replace(change, effect="Live", steps=steps, after=after, begun=True)
