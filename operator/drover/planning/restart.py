"""What happens when a guest stops by itself: the restart policy as a table, and the back-off between restarts."""

from dataclasses import dataclass

from drover.api.resolved import RestartPolicy
from drover.api.virtualmachine import LastStop

CLEAN = frozenset({"GuestShutdown"})
"""The guest switched itself off: no failure."""
OURS = frozenset({"Requested", "Evicted"})
"""Stops that the spec asked for: no policy looks at them."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """Seconds between restarts: none before the first, then `base`, doubled each time, at most `limit`."""

    base: float = 10.0
    limit: float = 300.0
    reset: float = 600.0
    """A run of so long starts over."""

    def delay(self, failures: int) -> float:
        """Seconds to wait after `failures` short runs in a row before this one."""
        # Bounded before it is raised to a power: a guest that fails for weeks would overflow a float.
        return 0.0 if failures == 0 else min(self.limit, self.base * 2.0 ** min(failures - 1, 32))

    def step(self, failures: int, ran_for: float, stop: LastStop) -> int:
        """Short runs in a row before this one; a loss of the host is not the guest's fault."""
        return 0 if ran_for >= self.reset or stop.reason == "HostFailure" else failures


def by_itself(stop: LastStop) -> bool:
    """Whether the guest stopped without our asking."""
    return stop.reason not in OURS


def restarts(policy: RestartPolicy, stop: LastStop) -> bool:
    """Whether a guest that stopped by itself is started again."""
    if policy == "OnFailure":
        return stop.reason not in CLEAN
    return policy == "Always"
