"""The agents of several nodes in one, with hosts in memory: honest about what they hold, and cheap.

They speak to a real API server: they watch Domains and volumes, report statuses, remove their finalizers, renew their
nodes' Leases. A guest is an entry in a table.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from drover import __version__
from drover.api import kinds
from drover.api.domain import DomainSpec
from drover.api.kinds import Kind
from drover.errors import OperatorError
from drover.kube.client import Cluster
from drover.kube.lease import Heartbeat
from drover.kube.transport import open_session
from drover.planning import live, names
from drover.planning.skew import API_LEVEL
from drover.planning.times import stamp
from drover.state.resource import Body, Key, pack, read_meta

ON = frozenset({"Running", "Paused"})
CONDITIONS = ("VolumesReady", "NetworkReady", "Running", "GuestReady")
BIND_WAIT = 0.1
CLOSING = 0.1
GIB = 1 << 30


@dataclass
class Guest:
    """One machine on a host."""

    name: str
    epoch: int
    state: str = "Stopped"
    reason: str = "Requested"
    starts: int = 0
    restarts: int = 0
    resting: bool = False
    policy: str = "Never"
    handled: tuple[str | None, str | None] = (None, None)
    live: dict[str, Any] | None = None
    timeline: dict[str, str] = field(default_factory=dict)
    last_stop: dict[str, Any] | None = None


@dataclass
class Host:
    """What one node holds, beyond the life of any agent."""

    guests: dict[str, Guest] = field(default_factory=dict)
    """By uid of the machine."""
    disks: set[str] = field(default_factory=set)
    """Uids of the volumes with data here."""


class FakeAgents:
    """Act for all Domains of the given nodes; `launch` seconds pass between the order and the guest's start.

    Each node's part is written by its client of `clients`, by `cluster` where it has none.
    """

    def __init__(
        self,
        cluster: Cluster,
        nodes: Iterable[str],
        *,
        launch: float = 0.0,
        beat: float = 10.0,
        clients: Mapping[str, Cluster] | None = None,
    ) -> None:
        self.hosts = {node: Host() for node in nodes}
        self.doubles: list[str] = []
        """Machines that were on twice at some moment."""
        self.muted: set[str] = set()
        """Nodes whose agent does nothing at all."""
        self.deaf: set[str] = set()
        """Nodes whose agent is heard, but does nothing else."""
        self.discarded: list[str] = []
        """Machines whose saved memory was thrown away because their Domain was deleted."""
        self.registered = asyncio.Event()
        """Set once each node's agent has reported."""
        self.orphaning = False
        """Whether Domains are deleted only because their definition is: their guests go on."""
        self._cluster = cluster
        self._clients = dict(clients or {})
        self._launch = launch
        self._beat = beat
        self._domains: dict[Key, Body] = {}
        self._volumes: dict[Key, Body] = {}
        self._dirty: dict[tuple[Kind, Key], None] = {}
        self._wake = asyncio.Event()

    async def run(self, stop: asyncio.Event, workers: int = 8) -> None:
        """Act until `stop`."""
        for node in self.hosts:
            await self._register(node)
        self.registered.set()
        works = [self._follow(kinds.DOMAIN, self._domains), self._follow(kinds.VOLUME, self._volumes)]
        works += [self._work() for _ in range(workers)]
        works += [self._heartbeat(node, stop) for node in self.hosts]
        tasks = [asyncio.create_task(work) for work in works]
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The connections of the watches are closed by the loop, a little later.
        await asyncio.sleep(CLOSING)

    def shut_down(self, uid: str, reason: str = "GuestShutdown") -> None:
        """Let a guest switch itself off."""
        for host in self.hosts.values():
            guest = host.guests.get(uid)
            if guest is not None and guest.state in ON:
                self._end(guest, reason, "guest")
        self._touch_all()

    def on(self, uid: str) -> list[str]:
        """Nodes on which a machine is on."""
        return [node for node, host in self.hosts.items() if uid in host.guests and host.guests[uid].state in ON]

    def join(self, node: str, client: Cluster) -> None:
        """Have a node's part written by another client."""
        self._clients[node] = client

    def power_off(self, node: str) -> None:
        """Cut the power of a node: its guests end, its agent falls silent."""
        self.muted.add(node)
        for guest in self.hosts[node].guests.values():
            if guest.state in ON:
                self._end(guest, "HostFailure", "node")
                guest.resting = guest.policy == "Never"
                guest.reason = "RestartPolicy" if guest.resting else "Requested"

    async def power_on(self, node: str, boot: str) -> None:
        """Boot a node: it tells of its boot and that it lives, and only then does what it is told."""
        found = await self._by(node).get(kinds.HYPERVISOR, Key("", node)) or {}
        status = {**found.get("status", {}), "bootID": boot}
        await self._by(node).apply(
            kinds.HYPERVISOR, Key("", node), {"status": status}, manager=names.MANAGER_AGENT, subresource="status"
        )
        await Heartbeat(self._by(node), Key("drover-system", f"drover-node-{node}"), node).beat()
        self.unmute(node)

    def unmute(self, node: str) -> None:
        """Let the agent of a node act again."""
        self.muted.discard(node)
        self._touch_all()

    def _by(self, node: str) -> Cluster:
        return self._clients.get(node, self._cluster)

    def _touch_all(self) -> None:
        for key in self._domains:
            self._touch(kinds.DOMAIN, key)
        for key in self._volumes:
            self._touch(kinds.VOLUME, key)

    def _touch(self, kind: Kind, key: Key) -> None:
        self._dirty[kind, key] = None
        self._wake.set()

    async def _register(self, node: str) -> None:
        client = self._by(node)
        await client.apply(kinds.HYPERVISOR, Key("", node), {"spec": {}}, manager=names.MANAGER_AGENT)
        await self.tell(node)

    async def tell(self, node: str, **changes: Any) -> None:
        """Report a node, with other words than those of an agent of this release where they are given."""
        status = {
            "bootID": f"boot-{node}",
            "accelerator": "KVM",
            "pools": [{"name": "default", "ready": True, "capacity": "100Gi", "available": "100Gi"}],
            "networks": [{"name": "default", "ready": True}],
            "agentVersion": __version__,
            "apiLevel": API_LEVEL,
        } | changes
        await self._by(node).apply(
            kinds.HYPERVISOR, Key("", node), {"status": status}, manager=names.MANAGER_AGENT, subresource="status"
        )

    async def _heartbeat(self, node: str, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if node not in self.muted:
                with suppress(OperatorError):
                    await Heartbeat(self._by(node), Key("drover-system", f"drover-node-{node}"), node).beat()
            await asyncio.sleep(self._beat)

    async def _follow(self, kind: Kind, cache: dict[Key, Body]) -> None:
        while True:
            with suppress(OperatorError, aiohttp.ClientError, TimeoutError):
                await self._follow_once(kind, cache)
            await asyncio.sleep(0.2)

    async def _follow_once(self, kind: Kind, cache: dict[Key, Body]) -> None:
        listing = await self._cluster.list(kind)
        cache.clear()
        for body in listing.items:
            self._take(kind, cache, {"type": "ADDED", "object": body})
        async with aclosing(watch(self._cluster, kind, listing.resource_version)) as events:
            async for event in events:
                if event["type"] == "ERROR":
                    return
                self._take(kind, cache, event)

    def _take(self, kind: Kind, cache: dict[Key, Body], event: Body) -> None:
        body = event["object"]
        key = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        if event["type"] == "DELETED":
            cache.pop(key, None)
            return
        known = cache.get(key)
        if known and int(known["metadata"]["resourceVersion"]) >= int(body["metadata"]["resourceVersion"]):
            return
        cache[key] = body
        self._touch(kind, key)
        if kind == kinds.VOLUME:
            # A Domain may wait for its volume to be bound.
            for domain, found in self._domains.items():
                if found["metadata"].get("deletionTimestamp") and domain.namespace == key.namespace:
                    self._touch(kinds.DOMAIN, domain)

    async def _work(self) -> None:
        while True:
            while not self._dirty:
                self._wake.clear()
                await self._wake.wait()
            kind, key = next(iter(self._dirty))
            del self._dirty[kind, key]
            try:
                await (self._domain(key) if kind == kinds.DOMAIN else self._volume(key))
            except OperatorError:
                asyncio.get_running_loop().call_later(0.2, self._touch, kind, key)

    # --- one Domain --------------------------------------------------------------------------------------------------

    async def _domain(self, key: Key) -> None:
        body = self._domains.get(key)
        node = body["spec"]["nodeName"] if body else ""
        if body is None or not self._acts(node):
            return
        host = self.hosts[node]
        if body["metadata"].get("deletionTimestamp"):
            await self._remove(body, host)
            return
        spec = body["spec"]
        guest = host.guests.setdefault(spec["uuid"], Guest(spec["virtualMachine"]["name"], spec["epoch"]))
        if self._starts(guest, spec) and self._launch:
            await asyncio.sleep(self._launch)
        self._steer(guest, spec, host)
        status = self._status(body, guest, host)
        if pack(status) != pack(body.get("status", {})):
            written = await self._by(node).apply(
                kinds.DOMAIN, key, {"status": status}, manager=names.MANAGER_AGENT, subresource="status"
            )
            if written is not None:
                self._take(kinds.DOMAIN, self._domains, {"type": "MODIFIED", "object": written})

    def _starts(self, guest: Guest, spec: Body) -> bool:
        requests = (spec.get("restartedAt"), spec.get("startedAt"))
        wanted = spec["powerState"] in ON and guest.state not in ON
        return wanted and (not guest.resting or guest.handled != requests)

    def _steer(self, guest: Guest, spec: Body, host: Host) -> None:
        requests = (spec.get("restartedAt"), spec.get("startedAt"))
        if guest.state in ON and spec["powerState"] in ON and guest.handled[0] != requests[0]:
            self._end(guest, "Requested", spec.get("actor", ""))
        if spec["powerState"] == "Hibernated" and guest.state in ON:
            guest.state, guest.reason, guest.live = "Hibernated", "Requested", None
        elif spec["powerState"] == "Stopped" and guest.state != "Stopped":
            self._end(guest, spec.get("stopReason") or "Requested", spec.get("actor", ""))
        elif self._starts(guest, spec):
            self._start(guest, spec, host)
        elif guest.state in ON and spec["powerState"] in ON:
            guest.epoch = spec["epoch"]
            guest.state = spec["powerState"]
            guest.reason = "Running" if guest.state == "Running" else "Requested"
        if spec["powerState"] not in ON:
            guest.resting = False

    def _start(self, guest: Guest, spec: Body, host: Host) -> None:
        uid, now = spec["uuid"], stamp(self._cluster.now())
        if any(uid in other.guests and other.guests[uid].state in ON for other in self.hosts.values()):
            self.doubles.append(uid)
        host.disks |= {disk["volumeUid"] for disk in spec["disks"]}
        guest.state, guest.epoch = spec["powerState"], spec["epoch"]
        guest.reason = "Running" if guest.state == "Running" else "Requested"
        guest.handled = (spec.get("restartedAt"), spec.get("startedAt"))
        guest.starts += 1
        guest.policy = spec["restartPolicy"]
        guest.resting = False
        guest.timeline = {"prepared": now, "started": now, "ready": now}
        guest.live = live.machine(DomainSpec.model_validate(spec)).model_dump(
            mode="json", by_alias=True, exclude_none=True
        )

    def _end(self, guest: Guest, reason: str, actor: str) -> None:
        guest.state, guest.live = "Stopped", None
        guest.reason = reason if reason in {"Requested", "Evicted"} else "RestartPolicy"
        guest.resting = guest.reason == "RestartPolicy"
        guest.last_stop = {"reason": reason, "actor": actor, "time": stamp(self._cluster.now()), "detail": ""}

    def _status(self, body: Body, guest: Guest, host: Host) -> dict[str, Any]:
        before = body.get("status", {})
        changed = before.get("state") != guest.state
        facts = [
            {"name": disk["volume"], "ready": True, "capacityBytes": GIB, "allocatedBytes": 1 << 20}
            for disk in body["spec"]["disks"]
            if disk["volumeUid"] in host.disks
        ]
        status = {
            "observedGeneration": body["metadata"]["generation"],
            "state": guest.state,
            "reason": guest.reason,
            "since": stamp(self._cluster.now()) if changed else before["since"],
            "conditions": self._conditions(body, guest),
            "live": guest.live,
            "volumes": facts or None,
            "restarts": guest.restarts,
            "lastStop": guest.last_stop,
            "handledRestart": guest.handled[0],
            "handledStart": guest.handled[1],
            "timeline": guest.timeline or None,
        }
        return {name: value for name, value in status.items() if value is not None}

    def _conditions(self, body: Body, guest: Guest) -> list[dict[str, Any]]:
        known = {each["type"]: each for each in body.get("status", {}).get("conditions", [])}
        return [self._condition(known.get(name, {}), name, guest, body) for name in CONDITIONS]

    def _condition(self, before: Body, name: str, guest: Guest, body: Body) -> dict[str, Any]:
        running = guest.state == "Running"
        status = "True" if running or name not in {"Running", "GuestReady"} else "False"
        same = before.get("status") == status
        return {
            "type": name,
            "status": status,
            "reason": "Ready" if status == "True" else guest.reason,
            "message": "",
            "lastTransitionTime": before["lastTransitionTime"] if same else stamp(self._cluster.now()),
            "observedGeneration": body["metadata"]["generation"],
        }

    async def _remove(self, body: Body, host: Host) -> None:
        meta = read_meta(body)
        guest = host.guests.get(body["spec"]["uuid"])
        if guest is not None and guest.epoch == body["spec"]["epoch"] and not self.orphaning:
            if guest.state == "Hibernated":
                self.discarded.append(body["spec"]["uuid"])
            del host.guests[body["spec"]["uuid"]]
        if names.FINALIZER_AGENT not in meta.finalizers:
            return
        if not all(self._is_bound(meta.key.namespace, disk, host) for disk in body["spec"]["disks"]):
            asyncio.get_running_loop().call_later(BIND_WAIT, self._touch, kinds.DOMAIN, meta.key)
            return
        await self._by(body["spec"]["nodeName"]).remove_finalizer(kinds.DOMAIN, meta, names.FINALIZER_AGENT)
        self._domains.pop(meta.key, None)
        for disk in body["spec"]["disks"]:
            self._touch(kinds.VOLUME, Key(meta.key.namespace, disk["volume"]))

    def _is_bound(self, namespace: str, disk: Body, host: Host) -> bool:
        found = self._volumes.get(Key(namespace, disk["volume"]))
        gone = found is None or found["metadata"]["uid"] != disk["volumeUid"]
        return gone or disk["volumeUid"] not in host.disks or bool(found and found.get("status", {}).get("nodeName"))

    def _acts(self, node: str) -> bool:
        return node in self.hosts and node not in self.muted | self.deaf

    # --- one volume --------------------------------------------------------------------------------------------------

    async def _volume(self, key: Key) -> None:
        body = self._volumes.get(key)
        node = str(body.get("status", {}).get("nodeName")) if body else ""
        if body is None or not self._acts(node) or not body["metadata"].get("deletionTimestamp"):
            return
        meta = read_meta(body)
        named = any(
            disk["volumeUid"] == meta.uid and domain["spec"]["nodeName"] == node
            for domain in self._domains.values()
            for disk in domain["spec"]["disks"]
        )
        if named or names.FINALIZER_VOLUME not in meta.finalizers:
            return
        self.hosts[node].disks.discard(meta.uid)
        await self._by(node).remove_finalizer(kinds.VOLUME, meta, names.FINALIZER_VOLUME)
        self._volumes.pop(key, None)


async def watch(cluster: Cluster, kind: Kind, version: str) -> AsyncGenerator[Any, None]:
    """Give the events of a kind from a moment on, until the connection ends."""
    session = open_session(cluster.endpoint, user_agent=cluster.user_agent, limit=2)
    async with session:
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "false"}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
        url = cluster.endpoint.server + kind.path()
        async with session.get(url, params=query, timeout=timeout) as response:
            buffer = b""
            async for chunk in response.content.iter_any():
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)
