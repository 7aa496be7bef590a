"""Who uses which image, pool and network: counted as objects come and go, told when the counts have settled."""

from collections.abc import Callable, Iterable
from typing import Any

from drover.api import kinds
from drover.api.kinds import Kind
from drover.controllers.links import Token
from drover.planning import catalog
from drover.planning.capture import kept_in
from drover.planning.use import Use, use
from drover.planning.view import view
from drover.runtime.store import Changed
from drover.runtime.workqueue import WorkQueue
from drover.state import objects
from drover.state.resource import Key, Resource

TELL_SECONDS = 15.0
"""Counts that change with every machine are told together."""
TURN_SECONDS = 1.0
"""Something that comes into use may not be deleted any more: that is told sooner …"""
FREE_SECONDS = 0.0
"""… and at once that it may be, when its last user is gone."""
PAUSES = (FREE_SECONDS, TURN_SECONDS, TELL_SECONDS)
"""By the number of users, the last for all more."""
Uses = frozenset[tuple[str, Token]]
"""Users, by name, and what each uses."""
NOTHING: Uses = frozenset()


class Tally:
    """The users of everything shared; several objects may make one user."""

    def __init__(self) -> None:
        self._users: dict[Token, dict[str, int]] = {}

    def use(self, kind: Kind, key: Key, *, allocated: int = 0) -> Use:
        """Sum up the users of one object."""
        return use(self._users.get((kind.plural, str(key)), {}), allocated=allocated)

    def count(self, kind: Kind, key: Key) -> int:
        """Tell how many users one object has."""
        return len(self._users.get((kind.plural, str(key)), ()))

    def users(self, token: Token) -> Iterable[str]:
        """List the users of one object."""
        return tuple(self._users.get(token, ()))

    def move(self, before: Uses, after: Uses) -> Iterable[Token]:
        """Follow a change of what an object uses; gives what is used otherwise now."""
        for user, token in before - after:
            self._count(user, token, -1)
        for user, token in after - before:
            self._count(user, token, 1)
        return {token for _, token in before ^ after}

    def _count(self, user: str, token: Token, more: int) -> None:
        users = self._users.setdefault(token, {})
        users[user] = users.get(user, 0) + more
        if users[user] <= 0:
            del users[user]
        if not users:
            del self._users[token]


def callbacks(tally: Tally, queues: dict[Kind, WorkQueue[Key]]) -> dict[Kind, Changed[Any]]:
    """Make what is called with each change of what uses something shared."""
    by_plural = {kind.plural: kind for kind in (kinds.IMAGE, kinds.POOL, kinds.NETWORK)}

    def follow(read: Callable[[Any], Uses], *, spec_alone: bool = True) -> Changed[Any]:
        def changed(old: Resource[Any, Any] | None, new: Resource[Any, Any] | None) -> None:
            if old is not None and new is not None and spec_alone and old.packed_spec == new.packed_spec:
                return
            for plural, name in tally.move(read(old) if old else NOTHING, read(new) if new else NOTHING):
                namespace, _, rest = name.rpartition("/")
                key, kind = Key(namespace, rest), by_plural[plural]
                queues[kind].add_after(key, PAUSES[min(tally.count(kind, key), 2)])

        return changed

    return {
        kinds.VIRTUALMACHINE: follow(_machine),
        kinds.DOMAIN: follow(_domain),
        kinds.VOLUME: follow(_volume, spec_alone=False),
        kinds.ADDRESS: follow(_address),
        kinds.IMAGE: follow(_image, spec_alone=False),
    }


def _machine(found: objects.Machine) -> Uses:
    key = found.meta.key
    images = catalog.wanted(key.name, key.namespace, view(found).spec).images
    return frozenset((str(key), (kinds.IMAGE.plural, image)) for image in images)


def _domain(found: objects.Domain) -> Uses:
    """A machine uses what its plugin gave it, too, and a network on which it has no address."""
    spec = view(found).spec
    held = [each.image for each in spec.disks] + [each.image for each in spec.media]
    images = [each.image for each in held if each] + ([spec.kernel.image] if spec.kernel else [])
    tokens = {(kinds.IMAGE.plural, image) for image in images}
    tokens |= {(kinds.NETWORK.plural, each.network) for each in spec.interfaces}
    user = f"{found.meta.key.namespace}/{spec.virtual_machine.name}"
    return frozenset((user, token) for token in tokens)


def _volume(found: objects.Volume) -> Uses:
    seen = view(found)
    pool = seen.status.pool or seen.spec.pool
    return frozenset({(str(found.meta.key), (kinds.POOL.plural, pool))}) if pool else NOTHING


def _image(found: objects.Image) -> Uses:
    return frozenset((str(found.meta.key), (kinds.POOL.plural, pool)) for pool in kept_in([view(found)]))


def _address(found: objects.Address) -> Uses:
    spec = view(found).spec
    user = f"{spec.virtual_machine.namespace}/{spec.virtual_machine.name}"
    return frozenset({(user, (kinds.NETWORK.plural, spec.network))})
