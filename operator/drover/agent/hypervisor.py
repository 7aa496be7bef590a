"""The Hypervisor: what this node reports of itself, and the one thing that can be asked of it: to remove an orphan."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from drover import __version__
from drover.agent.node import Node
from drover.api.hypervisor import HypervisorStatus
from drover.api.kinds import GROUP, HYPERVISOR, NETWORK, POOL
from drover.errors import OperatorError
from drover.kube.errors import AlreadyExists
from drover.metrics.registry import wrote
from drover.planning import names
from drover.planning.hostdevice import Unit
from drover.planning.hypervisor import Findings, can_wait, describe
from drover.planning.times import stamp
from drover.planning.view import HypervisorView, view
from drover.runtime.patience import patiently
from drover.runtime.store import Store
from drover.state.host import HostFacts
from drover.state.objects import Hypervisor
from drover.state.resource import Key

log = structlog.stdlib.get_logger(__name__)
TOGETHER_SECONDS = 0.2
"""News within so long is told together."""
QUIET_SECONDS = 10.0
"""Numbers that change with every guest are told when they have stood still for so long."""
RETRY_SECONDS = 5.0
REMOVE_ORPHAN = "remove-orphan"


@dataclass(slots=True)
class News:
    """Tells the report that something may have changed."""

    clock: Callable[[], float] = time.monotonic
    last: float = 0.0
    event: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        """Have the report compared with what is known, soon."""
        self.last = self.clock()
        self.event.set()

    def tell_in(self, seconds: float) -> None:
        """Have it compared later, which is no news by itself."""
        asyncio.get_running_loop().call_later(seconds, self.event.set)


class Hypervisors:
    """Keeps the Hypervisor of this node current; never on a timer."""

    def __init__(self, node: Node, store: Store[Hypervisor], news: News) -> None:
        self._node = node
        self._store = store
        self._news = news
        self._key = Key("", node.identity.name)
        self._told: HypervisorStatus | None = None

    async def run(self) -> None:
        """Report until cancelled."""
        self._news.tell()
        while True:
            await self._news.event.wait()
            await asyncio.sleep(TOGETHER_SECONDS)
            self._news.event.clear()
            await patiently("report the hypervisor", self._serve)

    async def _serve(self) -> None:
        found = self._store.get(self._key)
        if found is None:
            await self._create()
            return
        seen = view(found)
        if asked := seen.meta.annotation(REMOVE_ORPHAN):
            await self._remove_orphan(seen, asked)
        await self._report(seen)

    async def _create(self) -> None:
        try:
            await self._node.cluster.create(HYPERVISOR, {"metadata": {"name": self._key.name}, "spec": {}})
        except AlreadyExists:
            self._news.tell_in(RETRY_SECONDS)
            return
        wrote(HYPERVISOR.name, "create")
        self._news.tell()

    async def _report(self, seen: HypervisorView) -> None:
        self._miss_what_is_gone(seen)
        now = stamp(self._node.cluster.now())
        status = describe(await self._findings(), seen.status, now=now, generation=seen.meta.generation)
        if status == seen.status:
            return
        left = QUIET_SECONDS - (self._news.clock() - self._news.last)
        if can_wait(status, seen.status) and left > 0:
            self._news.tell_in(left)
            return
        content = {"status": status.model_dump(mode="json", by_alias=True, exclude_none=True)}
        manager = names.MANAGER_AGENT
        await self._node.cluster.apply(HYPERVISOR, self._key, content, manager=manager, subresource="status")
        wrote(HYPERVISOR.name, "status")

    def _miss_what_is_gone(self, seen: HypervisorView) -> None:
        """Say no more of pools and networks that were deleted before this agent was started."""
        orders, shared, status = self._node.orders, self._node.shared, seen.status
        if not orders.primed:
            return
        for kind, told, known in ((POOL, status.pools, shared.pools), (NETWORK, status.networks, shared.networks)):
            names = {each.name for each in told or ()} - {key.name for key in orders.keys(kind)}
            for name in names - known.keys():
                shared.missed(known, name)

    async def _findings(self) -> Findings:
        node, host = self._node, await self._facts()
        return Findings(
            boot_id=node.identity.boot_id,
            version=__version__,
            libvirt_trouble="" if node.host.connected else node.host.trouble,
            host=host,
            domains=node.survey.count if node.survey.looked else None,
            orphans=node.survey.orphans,
            images=node.images.reported(),
            pools=node.shared.pools,
            networks=node.shared.networks,
            devices=await self._devices(),
        )

    async def _devices(self) -> tuple[Unit, ...] | None:
        try:
            return await self._node.devices.units()
        except OperatorError as error:
            log.info("the devices cannot be looked at", reason=error.reason, message=str(error))
            return None

    async def _facts(self) -> HostFacts | None:
        try:
            return await self._node.host.facts() if self._node.host.connected else None
        except OperatorError as error:
            log.info("the host cannot be asked", reason=error.reason, message=str(error))
            return None

    async def _remove_orphan(self, seen: HypervisorView, uuid: str) -> None:
        """End a guest that no Domain speaks for; the order is taken off when it has been carried out."""
        node = self._node
        await node.survey.look()
        if uuid in {orphan.uuid for orphan in node.survey.orphans or ()}:
            log.warning("removing an orphan as asked", uuid=uuid)
            await node.host.destroy(uuid)
            await node.host.undefine(uuid)
            await node.survey.look()
        await node.cluster.annotate(HYPERVISOR, seen.meta, {f"{GROUP}/{REMOVE_ORPHAN}": None})
        wrote(HYPERVISOR.name, "annotate")
