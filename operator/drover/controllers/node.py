"""Nodes: found silent, or off, only by what the API server itself says at that moment, never by a cache alone."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

import structlog

from drover.api.domain import DomainSpec
from drover.api.kinds import HYPERVISOR, LEASE, NODE
from drover.controllers.watches import NODE as INDEX
from drover.controllers.world import World
from drover.errors import Unavailable
from drover.planning import node as planning
from drover.planning.node import Lost
from drover.planning.view import MachineView, view
from drover.state.clusternode import Node, read_node
from drover.state.lease import NODE_PREFIX
from drover.state.resource import Body, Key, read_meta

CHECK_SECONDS = 1.0
AT_ONCE = 50
"""Silent nodes that are asked about in one look: a look must not take so long that it counts as sleep."""
log = structlog.stdlib.get_logger(__name__)


class Watcher:
    """Finds out who is silent, and takes away the marks of who came back."""

    def __init__(self, world: World, turned: Callable[[str], None]) -> None:
        self._world = world
        self._turned = turned
        self._marked: dict[str, tuple[tuple[str, bool], str]] = {}
        """Marks of a node and the version of its Lease when they were first seen."""
        self._lifted: set[str] = set()
        """Nodes whose taint was taken off, were it for a moment; of two taints that look alike nothing else tells."""
        world.caches.store(NODE).subscribe(self._seen)

    async def run(self) -> None:
        """Look until cancelled; `turned` is called with each node that falls silent or is heard again."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for node in self._world.heartbeats.look():
                self._turned(node)
            await self.look()

    async def look(self) -> None:
        """Look once; what fails for one node is tried again at the next look."""
        try:
            for node in islice(self._quiet(), AT_ONCE):
                await _on_its_own(node, self._confirm(node))
            for found in tuple(self._world.stores.nodes.values()):
                await _on_its_own(found.meta.key.name, self._tend(found))
        except Unavailable as error:
            self._world.heartbeats.interrupt()
            log.warning("the nodes cannot be looked at", message=str(error))

    def _quiet(self) -> Iterable[str]:
        beats, stores = self._world.heartbeats, self._world.stores
        leases = (lease.node for lease in stores.leases.values())
        names = {
            *leases,
            *stores.domains.values_of(INDEX),
            *(found.meta.key.name for found in stores.hypervisors.values()),
        }
        return (node for node in sorted(names) if node and node not in beats.silent and beats.is_quiet(node))

    async def _confirm(self, node: str) -> None:
        await read_lease(node, self._world)
        if self._world.heartbeats.is_quiet(node):
            self._world.heartbeats.confirm(node)
            log.warning("a node gives no sign of life", node=node)
            self._turned(node)

    async def _tend(self, node: Node) -> None:
        name = node.meta.key.name
        anew = name in self._lifted
        if anew or not planning.is_marked(node):
            self._marked.pop(name, None)
        if not planning.is_marked(node):
            self._lifted.discard(name)
            return
        silent = name in self._world.heartbeats.silent
        changes = planning.noted(node, boot_id(name, self._world), silent=silent, anew=anew)
        pending = planning.voided(node)
        if pending and await self._has_returned(name, node):
            changes = pending
        if changes:
            log.info("the marks of a node change", node=name, changes=changes)
            await self._world.cluster.annotate(NODE, node.meta, changes)
        self._lifted.discard(name)

    def _seen(self, old: Node | None, new: Node | None) -> None:
        """Note that a taint went: what comes after it is said anew."""
        if old is not None and new is not None and old.out_of_service and not new.out_of_service:
            self._lifted.add(new.meta.key.name)

    async def _has_returned(self, name: str, node: Node) -> bool:
        """Tell whether the agent renewed its Lease after somebody set the marks that are there."""
        marks = (dict(node.meta.annotations).get(planning.FENCED, ""), node.out_of_service)
        known = self._marked.get(name)
        if known is None or known[0] != marks:
            # Read past the cache, so that a sign of life from before the marks, heard late, is not taken for one after.
            self._marked[name] = (marks, _version(await read_lease(name, self._world)))
            return False
        lease = self._world.stores.leases.get(lease_key(name, self._world))
        return lease is not None and lease.meta.resource_version != known[1]


async def _on_its_own(node: str, step: Awaitable[None]) -> None:
    """Let a step fail without those of other nodes, unless nobody answers at all."""
    try:
        await step
    except Unavailable:
        raise
    except Exception:
        log.exception("looking at a node failed", node=node)


def lease_key(node: str, world: World) -> Key:
    """Name of the Lease of a node's agent."""
    return Key(world.settings.namespace, f"{NODE_PREFIX}{node}")


async def read_lease(node: str, world: World) -> Body | None:
    """Read the Lease of a node's agent past the cache, and into it."""
    found = await world.cluster.get(LEASE, lease_key(node, world))
    world.caches.learn(LEASE, found)
    return found


def _version(lease: Body | None) -> str:
    return read_meta(lease).resource_version if lease else ""


def boot_id(node: str, world: World) -> str:
    """Boot that a node's agent told of last, as the cache has it."""
    found = world.stores.hypervisors.get(Key("", node))
    return (view(found).status.boot_id or "") if found else ""


def lost(world: World, machine: MachineView) -> dict[str, Lost]:
    """Find the nodes that are silent, and what is said of them, as the caches have it."""
    told = next((each for each in machine.status.conditions or [] if each.type == "Running"), None)
    node = machine.status.node_name
    known = world.heartbeats.silent
    if node and told and told.reason in {"NodeLost", "NodeFenced"} and not world.heartbeats.is_heard(node):
        # It was silent before we began to listen, and nothing has been heard since.
        known |= {node}
    return {name: planning.lost(world.stores.nodes.get(Key("", name)), boot_id(name, world)) for name in known}


async def ask(node: str, world: World) -> Lost | None:
    """Ask the API server itself whether a node is silent, and what is said of it; ``None`` when it is not silent.

    The Lease is read last: whoever comes back renews it before it reads what it is to run.
    """
    if not world.heartbeats.is_quiet(node):
        return None
    found, hypervisor = await asyncio.gather(
        world.cluster.get(NODE, Key("", node)), world.cluster.get(HYPERVISOR, Key("", node))
    )
    await read_lease(node, world)
    if not world.heartbeats.is_quiet(node):
        return None
    told = (hypervisor or {}).get("status") or {}
    return planning.lost(read_node(found) if found else None, told.get("bootID") or "")


async def is_off(spec: DomainSpec, world: World) -> bool:
    """Ask the API server itself whether the guest of a Domain went off with its node."""
    return planning.is_off(await ask(spec.node_name, world), spec.node_uid)


async def is_gone(node: str, world: World) -> bool:
    """Ask the API server itself whether a silent node was taken out of the cluster."""
    return planning.is_gone(await ask(node, world))
