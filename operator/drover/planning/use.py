"""Who needs something shared: told so that nobody deletes it unawares."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import nsmallest

TOLD = 10
"""Users that are told by name."""


@dataclass(frozen=True, slots=True)
class Use:
    """How much something shared is used."""

    count: int = 0
    names: tuple[str, ...] = ()
    """The first few users, as namespace/name."""
    allocated: int = 0
    """Of a network: addresses that are somebody's."""

    @property
    def told(self) -> list[str] | None:
        """The names as a status has them."""
        return list(self.names) or None


NOBODY = Use()


def use(users: Mapping[str, object] | Iterable[str], *, allocated: int = 0) -> Use:
    """Sum up the users, each given once."""
    every = list(users)
    return Use(len(every), tuple(nsmallest(TOLD, every)), allocated)
