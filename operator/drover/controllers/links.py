"""Which objects refer to which: a change of one has the others looked at; a memory that fills as they are looked at."""

from collections.abc import Iterable

from drover.planning.view import DomainView, view
from drover.planning.volume import in_use
from drover.state.objects import Domain
from drover.state.resource import Key

Token = tuple[str, str]
"""Plural of a kind and a name in it; the empty name stands for whichever object is the default."""


class Links:
    """Machines by what their specs refer to."""

    def __init__(self) -> None:
        self._users: dict[Token, dict[Key, None]] = {}
        self._tokens: dict[Key, frozenset[Token]] = {}

    def refer(self, machine: Key, tokens: frozenset[Token]) -> None:
        """Note all that a machine refers to; nothing forgets it."""
        before = self._tokens.get(machine, frozenset())
        if before == tokens:
            return
        for token in before - tokens:
            self._drop(token, machine)
        for token in tokens - before:
            self._users.setdefault(token, {})[machine] = None
        if tokens:
            self._tokens[machine] = tokens
        else:
            self._tokens.pop(machine, None)

    def users(self, *tokens: Token) -> Iterable[Key]:
        """Machines that refer to any of these."""
        return {key: None for token in tokens for key in self._users.get(token, ())}

    def _drop(self, token: Token, machine: Key) -> None:
        users = self._users[token]
        del users[machine]
        if not users:
            del self._users[token]


class Usage:
    """Domains by the volumes they name."""

    def __init__(self) -> None:
        self._domains: dict[Key, dict[Key, None]] = {}

    def domains(self, volume: Key) -> tuple[Key, ...]:
        """Names of the Domains that name a volume."""
        return tuple(self._domains.get(volume, ()))

    def observe(self, old: Domain | None, new: Domain | None) -> tuple[Key, ...]:
        """Follow a change of a Domain; gives the volumes that it named or names."""
        before, after = _volumes(old), _volumes(new)
        domain = new or old
        assert domain is not None
        for volume in before - after:
            self._domains[volume].pop(domain.meta.key, None)
            if not self._domains[volume]:
                del self._domains[volume]
        for volume in after - before:
            self._domains.setdefault(volume, {})[domain.meta.key] = None
        return tuple(before | after)


def _volumes(domain: Domain | None) -> frozenset[Key]:
    if domain is None:
        return frozenset()
    parsed: DomainView = view(domain)
    return frozenset(Key(domain.meta.key.namespace, name) for name in in_use([parsed]))
