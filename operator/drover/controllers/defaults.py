"""The default pool and network: made once in the life of a cluster, as the controller's Lease remembers."""

from drover.api.kinds import LEASE
from drover.controllers.world import World
from drover.kube.errors import AlreadyExists
from drover.metrics.registry import wrote
from drover.planning import defaults
from drover.state.resource import Key, read_meta

LEASE_NAME = "drover-controller"


async def make(world: World) -> None:
    """Make what was never made."""
    settings, cluster = world.settings, world.cluster
    found = await cluster.get(LEASE, Key(settings.namespace, LEASE_NAME))
    lease = read_meta(found) if found else None
    if settings.cluster_defaults == "Skip" or lease is None or not defaults.due(lease):
        return
    for kind, body in defaults.bodies(str(settings.default_pool_path), settings.default_network_cidr):
        wrote(kind.name, "create")
        try:
            await cluster.create(kind, body)
        except AlreadyExists:
            continue
    await cluster.annotate(LEASE, lease, {defaults.ANNOTATION_MADE: "made"})
