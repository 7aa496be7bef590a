"""A node's agent with libvirt and the API server in memory, stepped by hand."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.domains import BACK_OFF, BOOT, DISK, NOW, make_spec
from tests.support.fake_cluster import Etcd, FakeCluster
from tests.support.fake_host import FakeHost
from tests.support.fake_wires import FakeWires

from drover.agent.domain import Domains
from drover.agent.fetch.order import Result
from drover.agent.gate import StartGate
from drover.agent.hostdevice import HostDevices
from drover.agent.image import Images
from drover.agent.keys import Keys
from drover.agent.lastview import LastView
from drover.agent.memory import Memory
from drover.agent.node import Identity, Node
from drover.agent.orders import Orders, watches
from drover.agent.probe import Prober
from drover.agent.report import Reporter
from drover.agent.seed import Handed, Seeds
from drover.agent.shared import SharedThings
from drover.agent.survey import Survey
from drover.agent.wiring import Cabling
from drover.agent.workers import Told, Wanted
from drover.api.cloudinit import SecretKey
from drover.api.domain import DomainDisk
from drover.api.kinds import CRD, DOMAIN, HYPERVISOR, IMAGE, NETWORK, POOL, VIRTUALMACHINE, VOLUME, Kind
from drover.errors import OperatorError, Retryable
from drover.planning import names
from drover.planning.view import DomainView, view
from drover.runtime.informer import Watch
from drover.runtime.selectors import selects
from drover.runtime.store import Store
from drover.state.hostdevice import Offer
from drover.state.objects import read_domain, read_hypervisor
from drover.state.resource import Body, Key

KEY = Key("shop", "web-1")
UUID = make_spec().uuid
POOL_SPEC = {"type": "Directory", "directory": {"path": "/pool"}}
ADDRESS = "192.0.2.1"
MOMENT = "2026-11-21T12:00:00Z"
ACCEPTED = {"conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "lastTransitionTime": MOMENT}]}
"""What the controller says of a network that asks for nothing of another one."""
SUBNET = {"name": "v4", "cidr": "10.20.0.0/24", "gateway": "10.20.0.1"}


class Caches:
    """Stands in for the informer; hears of everything at once."""

    def __init__(self, etcd: Etcd, cluster: FakeCluster) -> None:
        every = (*watches("n1"), Watch(HYPERVISOR, read_hypervisor))
        self._etcd = etcd
        self._watches: Mapping[Kind, Watch[Any]] = {watch.kind: watch for watch in every}
        self._stores: Mapping[Kind, Store[Any]] = {watch.kind: Store(watch.indexes) for watch in every}
        self._heard = 0
        cluster.on_write(lambda _kind, _body: self.hear())

    def store(self, kind: Kind) -> Store[Any]:
        return self._stores[kind]

    def subscribe(self, kind: Kind, callback: Any) -> None:
        self._stores[kind].subscribe(callback)

    def hear(self) -> None:
        news, self._heard = self._etcd.events[self._heard :], len(self._etcd.events)
        for kind, word, body in news:
            if kind in self._watches:
                self._take(kind, word, body)

    def _take(self, kind: Kind, word: str, body: Body) -> None:
        watch, store = self._watches[kind], self._stores[kind]
        found = watch.read(body)
        gone = word == "DELETED" or not selects(watch.labels, watch.fields, body)
        store.observe_deleted(found) if gone else store.observe(found)


@dataclass
class Clock:
    """Our own clock and the wall's, set by hand."""

    monotonic: float = 1000.0
    wall: datetime = NOW

    def __call__(self) -> float:
        return self.monotonic


@dataclass
class World:
    """Everything, with a default pool and network, and definitions of the kinds."""

    folder: Path
    boot_id: str = BOOT
    etcd: Etcd = field(default_factory=Etcd)
    host: FakeHost = field(default_factory=FakeHost)
    wires: FakeWires = field(default_factory=FakeWires)
    clock: Clock = field(default_factory=Clock)
    woken: list[Key] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    secrets: Mapping[SecretKey, bytes] | OperatorError = field(default_factory=dict)
    """What the node API answers."""
    offers: Sequence[Offer] = ()
    """Devices that an administrator offers."""
    primed: bool = True
    in_touch: bool = True

    def __post_init__(self) -> None:
        self.bell = asyncio.Event()
        if not self.etcd.objects:
            self._furnish()
        self.cluster = FakeCluster(self.etcd)
        self.cluster.now = lambda: self.clock.wall  # type: ignore[method-assign]
        self.caches = Caches(self.etcd, self.cluster)
        self.node = self._node()
        self.domains = Domains(self.node, Reporter(self.cluster, clock=self.clock))  # type: ignore[arg-type]
        if self.primed:
            self.read_the_api()

    def read_the_api(self) -> None:
        """Have the agent know all that the API server has."""
        self.caches.hear()
        self.node.orders.settle()

    def _furnish(self) -> None:
        for kind in (DOMAIN, VIRTUALMACHINE, VOLUME, IMAGE):
            self.put(CRD, Key("", f"{kind.plural}.{kind.group}"), {})
        self.put(POOL, Key("", "default"), {"spec": POOL_SPEC})
        self.put(NETWORK, Key("", "default"), {"spec": {"type": "NAT", "subnets": [SUBNET]}, "status": ACCEPTED})

    def _node(self) -> Node:
        informer: Any = self.caches
        host: Any = self.host
        wires: Any = self.wires
        orders, memory = Orders(informer, LastView(self.folder / "view", self.boot_id)), Memory(self.clock)
        images = Images(self.folder, self._fetch, wake=self._wake, changed=_nothing, clock=self.clock)
        survey = Survey(host, orders, wake=self.woken.append, changed=_nothing)
        return Node(
            identity=Identity("n1", self.boot_id, self.folder, ADDRESS),
            back_off=BACK_OFF,
            cluster=self.cluster,  # type: ignore[arg-type]
            host=host,
            orders=orders,
            memory=memory,
            images=images,
            keys=Keys(host.safe, self._read_key, self.clock),
            seeds=Seeds(self.folder / "seeds", self._read_secrets),
            gate=StartGate(2, self.woken.append),
            prober=Prober(host.ping, self.woken.append, clock=self.clock),
            survey=survey,
            shared=SharedThings(_nothing),
            wires=wires,
            cabling=Cabling(host, wires, orders, survey, self.woken.append, ADDRESS),
            devices=HostDevices(host, self.folder / "sys", self.offers),
            in_touch=lambda: self.in_touch,
            changed=_nothing,
            pool_key=self._read_pool_key,
        )

    async def _read_key(self, _order: DomainView, _disk: DomainDisk, key: SecretKey) -> bytes:
        if isinstance(self.secrets, OperatorError):
            raise self.secrets
        return self.secrets[key]

    async def _read_pool_key(self, _pool: str, key: SecretKey) -> bytes:
        if isinstance(self.secrets, OperatorError):
            raise self.secrets
        return self.secrets[key]

    async def _read_secrets(self, _order: DomainView) -> Handed:
        if isinstance(self.secrets, OperatorError):
            raise self.secrets
        return Handed(self.secrets, {each.name: "7" for each in self.secrets})

    def _wake(self, key: Key) -> None:
        self.woken.append(key)
        self.bell.set()

    async def _fetch(self, wanted: Wanted, _folder: Path, _told: Told) -> Result:
        self.fetched.append(wanted.artifact.url)
        if "bad" in wanted.artifact.url:
            raise Retryable("it has another checksum", reason="ChecksumMismatch")
        (self.folder / "abc.qcow2").touch()
        return Result("sha256:abc", "abc.qcow2", 5, "raw", 1 << 20)

    # --- the API server -----------------------------------------------------------------------------------------------

    def put(self, kind: Kind, key: Key, body: Mapping[str, Any]) -> None:
        """Store an object."""
        before = self.etcd.objects.get((kind, key), {"metadata": {"uid": f"uid-{key.name}", "generation": 0}})
        metadata = {**before["metadata"], "name": key.name, "namespace": key.namespace, **body.get("metadata", {})}
        changed = body.get("spec") != before.get("spec")
        metadata["generation"] += changed
        self.etcd.put(kind, key, {**before, **body, "metadata": metadata})
        if hasattr(self, "caches"):
            self.caches.hear()

    def order(self, *, key: Key = KEY, **spec: Any) -> None:
        """Order a Domain, or change one that is there."""
        before = self.etcd.objects.get((DOMAIN, key), {}).get("spec")
        content = {**(before or make_spec().model_dump(mode="json", by_alias=True, exclude_none=True)), **spec}
        self.put(DOMAIN, key, {"spec": content, "metadata": {"finalizers": [names.FINALIZER_AGENT]}})

    def delete(self, kind: Kind, key: Key) -> None:
        """Ask for an object to be deleted."""
        self.etcd.mark(kind, key)
        self.caches.hear()

    def bind(self, **status: Any) -> None:
        """Say that this node has the data of the machine's disk."""
        content = {"nodeName": "n1", "phase": "Bound", "pool": "default", **status}
        meta = {"uid": DISK["volumeUid"], "finalizers": [names.FINALIZER_VOLUME]}
        self.put(VOLUME, Key("shop", "web.root"), {"spec": {"pool": "default"}, "status": content, "metadata": meta})

    @property
    def told(self) -> DomainView:
        """The Domain as the API server has it."""
        return view(read_domain(self.etcd.objects[DOMAIN, KEY]))

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        found = next(each for each in self.told.status.conditions or () if each.type == kind)
        return found.status, found.reason

    # --- the agent ----------------------------------------------------------------------------------------------------

    async def reconcile(self, key: Key = KEY) -> float | None:
        """Let the agent look at the Domain once."""
        return await self.domains.reconcile(key)

    def pass_time(self, seconds: float) -> None:
        """Let time go by."""
        self.clock.monotonic += seconds
        self.clock.wall += timedelta(seconds=seconds)

    def reborn(self, **changes: Any) -> "World":
        """Kill the agent and start it again; libvirt, API server and disk stay."""
        kept: dict[str, Any] = {"boot_id": self.boot_id, "etcd": self.etcd, "host": self.host, "wires": self.wires}
        return World(self.folder, **kept | changes)


def _nothing() -> None:
    """Tell nobody."""
