"""Which news wakes which reconcile: the queues of the agent and what fills them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from drover.agent import capture, domain, network, pool, volume
from drover.agent.lastview import same_orders
from drover.agent.node import Node
from drover.agent.report import Reporter
from drover.api.kinds import ADDRESS, DOMAIN, IMAGE, NETWORK, POOL, SECURITYGROUP, VOLUME, Kind
from drover.metrics.registry import reconcile_finished
from drover.planning.view import view
from drover.runtime.informer import Informer
from drover.runtime.reconciler import Reconcile, Reconciler
from drover.state.guest import GuestEvent
from drover.state.resource import Key, Resource

AnyResource = Resource[Any, Any]
LOST_SECONDS = 1.0
"""How long after the loss of libvirt its guests are looked for."""
NAMES_SECONDS = 0.2
"""Names of machines on other nodes that come within so long are written down together."""


@dataclass(slots=True)
class Doorbell:
    """Wakes Domains; can be given away before there is a queue."""

    ring: Callable[[Key], None] = field(default=lambda _: None)

    def __call__(self, key: Key) -> None:
        """Have the Domain reconciled."""
        self.ring(key)


def make_queues(node: Node, informer: Informer) -> dict[Kind, Reconciler]:
    """Give each kind its queue."""
    domains = domain.Domains(node, Reporter(node.cluster))
    work: dict[Kind, Reconcile] = {
        DOMAIN: domains.reconcile,
        VOLUME: partial(volume.reconcile, node),
        IMAGE: partial(capture.reconcile, node),
        POOL: partial(pool.reconcile, node),
        NETWORK: partial(network.reconcile, node),
    }

    def identify(kind: Kind, key: Key) -> str:
        found = informer.store(kind).get(key)
        return found.meta.uid if found else ""

    return {
        kind: Reconciler(kind, reconcile, finished=reconcile_finished, identify=partial(identify, kind))
        for kind, reconcile in work.items()
    }


def connect(node: Node, informer: Informer, queues: dict[Kind, Reconciler]) -> None:
    """Have every piece of news wake what it concerns."""
    for kind in queues:
        informer.subscribe(kind, partial(_changed, node, queues, kind))
    informer.subscribe(ADDRESS, partial(_address_changed, queues))
    informer.subscribe(SECURITYGROUP, partial(_group_changed, node, queues))
    node.host.subscribe(partial(_heard, node, queues))
    node.host.watch_connection(partial(_connected, node, queues))


def wake_all(node: Node, queues: dict[Kind, Reconciler]) -> None:
    """Have everything reconciled."""
    for kind, reconciler in queues.items():
        for key in node.orders.keys(kind):
            reconciler.queue.add(key)


def _changed(
    node: Node, queues: dict[Kind, Reconciler], kind: Kind, old: AnyResource | None, new: AnyResource | None
) -> None:
    seen = new or old
    assert seen is not None
    key = seen.meta.key
    if kind is not DOMAIN or old is None or new is None or not same_orders(old, new):
        queues[kind].queue.add(key)
    if kind is VOLUME and old is None:
        # A Domain that is to go waits until the API knows where the data of its volumes is.
        _wake(queues[DOMAIN], (user for user in node.orders.users(key) if node.orders.is_going(user)))
    if kind is NETWORK and old is not None and new is not None and _is_other(old, new):
        _wake(queues[DOMAIN], node.orders.on(key.name))
    if kind is DOMAIN and (old is None or new is None):
        node.changed()
    if kind is DOMAIN and new is None:
        _wake(queues[VOLUME], (Key(key.namespace, disk.volume) for disk in seen.spec.disks))


def _is_other(old: AnyResource, new: AnyResource) -> bool:
    """Tell whether a network is another one for its guests, or may be used now and might not before."""
    return not same_orders(old, new) or network.accepted(view(old)) != network.accepted(view(new))


def _group_changed(
    node: Node, queues: dict[Kind, Reconciler], old: AnyResource | None, new: AnyResource | None
) -> None:
    seen = new or old
    assert seen is not None
    _wake(queues[DOMAIN], node.orders.guarded(seen.meta.key.namespace))


def _address_changed(queues: dict[Kind, Reconciler], old: AnyResource | None, new: AnyResource | None) -> None:
    seen = new or old
    assert seen is not None
    # A little later: machines come in bursts.
    queues[NETWORK].queue.add_after(Key("", seen.spec.network), NAMES_SECONDS)


def _wake(reconciler: Reconciler, keys: Iterable[Key]) -> None:
    for key in keys:
        reconciler.queue.add(key)


def _heard(node: Node, queues: dict[Kind, Reconciler], event: GuestEvent) -> None:
    key = node.orders.speaks_for(event.uuid)
    if key is not None:
        node.memory.witness(event)
        queues[DOMAIN].queue.add(key)


def _connected(node: Node, queues: dict[Kind, Reconciler], connected: bool) -> None:  # noqa: FBT001 - the host's word
    node.changed()
    if connected:
        wake_all(node, queues)
        return
    for key in node.orders.keys(DOMAIN):
        # Whoever it is lost for is told so if it does not come back.
        queues[DOMAIN].queue.add_after(key, LOST_SECONDS)
