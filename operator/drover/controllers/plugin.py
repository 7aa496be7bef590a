"""Plugins: their revisions are written down, their users counted."""

from drover.api.kinds import PLUGIN
from drover.controllers.act import perform
from drover.controllers.report import tell
from drover.controllers.watches import MACHINE, OWNER, USES
from drover.controllers.world import World
from drover.errors import Busy
from drover.planning import plugin as planning
from drover.planning.plugin import PluginFound
from drover.planning.view import view
from drover.state.resource import Key

ROUNDS = 4
"""Rounds of decisions before others get their turn."""


async def reconcile(key: Key, world: World) -> None:
    """Bring one plugin in line."""
    for _ in range(ROUNDS):
        found = _gather(key, world)
        if found is None:
            return
        decision = planning.decide(found, now=world.now())
        if not decision.stages:
            if decision.status != found.plugin.status:
                await tell(PLUGIN, found.plugin.meta, decision.status, world)
            return
        await perform(decision.stages, world)
    raise Busy(f"{key} needs more rounds")


def _gather(key: Key, world: World) -> PluginFound | None:
    resource = world.stores.plugins.get(key)
    if resource is None:
        return None
    revisions = world.stores.revisions.by(OWNER, resource.meta.uid)
    users = sorted(str(machine.meta.key) for machine in world.stores.machines.by(USES, str(key)))
    # Who is made of what is asked only when there is something to clear away: a plugin may have thousands of users.
    pinned = _pinned(key, world) if len(revisions) > planning.HISTORY else frozenset()
    namespace = world.stores.namespaces.get(Key("", key.namespace))
    closing = namespace is not None and namespace.terminating
    return PluginFound(view(resource), revisions, tuple(users), pinned, closing)


def _pinned(key: Key, world: World) -> frozenset[str]:
    machines = [view(each) for each in world.stores.machines.by(USES, str(key))]
    told = (each.status.resolved.plugin_revision for each in machines if each.status.resolved)
    domains = (view(domain) for each in machines for domain in world.stores.domains.by(MACHINE, each.meta.uid))
    pins = (domain.spec.plugin.revision for domain in domains if domain.spec.plugin)
    return frozenset(name for name in (*told, *pins) if name)
