"""Which version each Secret has that a guest's seed was made of: looked up now and then.

Secrets are neither listed nor watched, and read only when their metadata say that they were written to; nothing of what
they hold is kept. That one was written to since a guest was told is found within `EVERY_SECONDS`,
or as soon as `PAUSE_SECONDS` allow where very many are in use.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from drover.api.kinds import SECRET
from drover.controllers.nodeapi import version_of
from drover.controllers.world import SecretSeen, World
from drover.planning import seed
from drover.planning.view import view
from drover.runtime.patience import patiently
from drover.state.resource import Key, read_meta

EVERY_SECONDS = 10.0
PAUSE_SECONDS = 0.05
"""Between two look-ups: a burst of them is nobody's business but ours."""
Wake = Callable[[Iterable[Key]], None]
"""Has machines looked at."""


async def run(world: World, wake: Wake) -> None:
    """Look until cancelled."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        await patiently("look at Secrets", partial(look, world, wake))


async def look(world: World, wake: Wake, *, pause: float = PAUSE_SECONDS) -> None:
    """Look at every Secret that a guest was told of once, and have the machines looked at whose Secret changed."""
    used = _used(world)
    for key in world.secrets.keys() - used.keys():
        del world.secrets[key]
    for key, machines in used.items():
        if await _has_changed(world, key):
            wake(machines)
        await asyncio.sleep(pause)


async def _has_changed(world: World, key: Key) -> bool:
    """Whether a Secret holds something else than when it was looked at last."""
    before = world.secrets.get(key)
    found = await world.cluster.get(SECRET, key, metadata_only=True)
    written = read_meta(found).resource_version if found else ""
    if before is not None and before.written == written:
        return False
    world.secrets[key] = SecretSeen(written, version_of(await world.cluster.get(SECRET, key) if found else None))
    return before is None or before.version != world.secrets[key].version


def _used(world: World) -> dict[Key, list[Key]]:
    """Machines in flight, by the Secrets that their guests were told."""
    used: dict[Key, list[Key]] = {}
    for each in world.stores.domains.values():
        # Most have none: they are not parsed for that.
        if b'"secret":' not in each.packed_spec:
            continue
        domain, namespace = view(each), each.meta.key.namespace
        if domain.status.live is not None:
            for secret in seed.secrets(domain.spec.seed):
                used.setdefault(Key(namespace, secret.name), []).append(
                    Key(namespace, domain.spec.virtual_machine.name)
                )
    return used
