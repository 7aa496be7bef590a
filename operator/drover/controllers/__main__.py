"""The controller process: caches, queues, leadership and what is served about them."""

import asyncio
import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from drover import __version__
from drover.api import kinds
from drover.api.kinds import Kind
from drover.controllers import (
    address,
    defaults,
    image,
    network,
    nodeapi,
    plugin,
    pool,
    secrets,
    securitygroup,
    service,
    virtualmachine,
    volume,
)
from drover.controllers.hypervisor import Heartbeats
from drover.controllers.node import Watcher
from drover.controllers.nodecapacity import Counter
from drover.controllers.nodelabel import Labeller
from drover.controllers.watches import stores, watches
from drover.controllers.wiring import Wiring, connect
from drover.controllers.world import World
from drover.kube.client import Cluster
from drover.kube.connection import endpoint_from_environment
from drover.kube.lease import Elector, Terms
from drover.metrics import controller as metrics
from drover.metrics import registry
from drover.planning.resolve import Policy
from drover.runtime import health, release
from drover.runtime import kinds as definitions
from drover.runtime.health import Health
from drover.runtime.informer import Informer
from drover.runtime.leader import lead
from drover.runtime.patience import patiently
from drover.runtime.process import run_process, run_until
from drover.runtime.reconciler import Reconcile, Reconciler
from drover.runtime.settings import ControllerSettings
from drover.state.resource import Key

RECONCILERS = {
    kinds.VIRTUALMACHINE: virtualmachine.reconcile,
    kinds.VOLUME: volume.reconcile,
    kinds.PLUGIN: plugin.reconcile,
    kinds.IMAGE: image.reconcile,
    kinds.POOL: pool.reconcile,
    kinds.NETWORK: network.reconcile,
    kinds.SECURITYGROUP: securitygroup.reconcile,
    kinds.SERVICE: service.reconcile,
}
CONNECTIONS = 64
log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Role:
    """Whether this replica leads."""

    leading: bool = False

    def take(self, leading: bool) -> None:  # noqa: FBT001 - it answers "leading?"
        """Note whether it leads now."""
        self.leading = leading


def main(arguments: Sequence[str]) -> int:
    """Run the controller until it is told to stop; give the exit code."""
    return run_process("controller", ControllerSettings, start, arguments)


async def start(settings: ControllerSettings, stop: asyncio.Event) -> None:
    """Fill the caches, serve health and metrics, work while leading."""
    endpoint = endpoint_from_environment()
    async with Cluster(endpoint, user_agent=f"drover-controller/{__version__}", limit=CONNECTIONS) as cluster:
        informer = Informer(cluster, watches(settings.namespace), resync=settings.resync_seconds)
        world = make_world(settings, cluster, informer)
        reconcilers = [_reconciler(kind, world) for kind in RECONCILERS]
        wiring = connect(world, {each.kind: each.queue for each in reconcilers})
        role = Role()
        _measure(world, reconcilers)
        async with (
            health.serve(settings.http_address, _health(informer, reconcilers, role)),
            nodeapi.serve(world) as place,
        ):
            await definitions.check(cluster)
            await informer.prime()
            work = partial(_work, world, wiring, reconcilers, place)
            leading = lead(_elector(settings, cluster), work, leading=role.take)
            await run_until(stop, informer.run(stop), leading)


def make_world(settings: ControllerSettings, cluster: Cluster, informer: Informer) -> World:
    """Put together what the reconcilers share."""
    return World(
        cluster=cluster,
        settings=settings,
        caches=informer,
        stores=stores(informer),
        policy=Policy(anchor_image=settings.anchor_image, cpu_per_core=settings.cpu_request_per_core),
        heartbeats=Heartbeats(settings.node_lease_stale_seconds),
    )


def _reconciler(kind: Kind, world: World) -> Reconciler:
    reconcile = RECONCILERS[kind]

    async def bring_in_line(key: Key) -> float | None:
        return await reconcile(key, world)

    def identify(key: Key) -> str:
        found = world.caches.store(kind).get(key)
        return found.meta.uid if found else ""

    bound: Reconcile = bring_in_line
    return Reconciler(kind, bound, finished=registry.reconcile_finished, identify=identify)


async def _work(world: World, wiring: Wiring, reconcilers: Sequence[Reconciler], place: nodeapi.Place) -> None:
    """Do all that only the leader does, and of all releases only one."""
    async with release.owned(world.cluster, world.settings.namespace) as owning, asyncio.TaskGroup() as group:
        # Who does not lead may miss signs of life: silence counts from here.
        world.heartbeats.interrupt()
        group.create_task(owning(), name="release")
        for each in reconcilers:
            group.create_task(each.run(world.settings.workers), name=each.name)
        group.create_task(_look_again(reconcilers, world), name="look again")
        group.create_task(Watcher(world, wiring.node_turned).run(), name="nodes")
        group.create_task(Labeller(world).run(), name="node labels")
        group.create_task(Counter(world).run(), name="node capacity")
        group.create_task(world.events.run(world.cluster), name="events")
        group.create_task(address.run(world), name="sweep")
        group.create_task(secrets.run(world, wiring.look_at), name="secrets")
        group.create_task(place.keep(world), name="node API")
        group.create_task(patiently("make the defaults", partial(defaults.make, world)), name="defaults")


async def _look_again(reconcilers: Sequence[Reconciler], world: World) -> None:
    """Have every object looked at now and then, spread over the time: no wake-up that was lost is lost for ever."""
    period = world.settings.resync_seconds
    while True:
        await asyncio.sleep(period)
        for each in reconcilers:
            keys = tuple(world.caches.store(each.kind).names())
            for number, key in enumerate(keys):
                each.queue.add_after(key, period * number / len(keys))


def _elector(settings: ControllerSettings, cluster: Cluster) -> Elector:
    holder = f"{socket.gethostname()}-{os.getpid()}"
    terms = Terms(
        lease=settings.lease_seconds, renew=settings.lease_seconds * 2 / 3, retry=min(2.0, settings.lease_seconds / 7)
    )
    return Elector(cluster, Key(settings.namespace, defaults.LEASE_NAME), holder, terms=terms)


def _health(informer: Informer, reconcilers: Iterable[Reconciler], role: Role) -> Health:
    return Health(
        live={
            "watch": health.watch_lives(lambda: informer.silence),
            **{f"queue {each.name}": health.queue_moves(partial(_age, each, role)) for each in reconcilers},
        },
        ready={"caches": lambda: "" if informer.primed else "not filled yet"},
        metrics=registry.render,
    )


def _age(reconciler: Reconciler, role: Role) -> float:
    """Seconds that the oldest key has been waiting; who does not lead lets them wait."""
    return reconciler.queue.stall if role.leading else 0.0


def _measure(world: World, reconcilers: Iterable[Reconciler]) -> None:
    registry.build(__version__)
    metrics.watch_queues({each.name: partial(_depth, each) for each in reconcilers})
    metrics.watch_phases(world.phases.values)


def _depth(reconciler: Reconciler) -> float:
    return reconciler.queue.depth
