"""libvirt in memory: what the agent uses of it, with its states, its saved memory, its pools and its refusals."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.fake_safe import FakeSafe

from drover.api.domain import DomainDisk, DomainInterface
from drover.api.hardware import DiskBounds
from drover.api.network import VirtualNetworkSpec
from drover.errors import Busy, NotReady, OperatorError, Refused, Unavailable
from drover.hypervisor.logs import Logs
from drover.state.guest import Blueprint, Guest, GuestEvent, Record, Unit
from drover.state.host import (
    CephKey,
    GuestSample,
    GuestSupport,
    HostFacts,
    Lender,
    NetworkFacts,
    PoolFacts,
    Reservation,
    VolumeFile,
)
from drover.state.hostdevice import Claim

QEMU = GuestSupport(
    "x86_64",
    "/usr/bin/qemu",
    "pc-q35-7.2",
    frozenset({"pc-q35-7.1", "pc-q35-7.2"}),
    firmware=frozenset({"BIOS"}),
    graphics=frozenset({"Headless", "VNC"}),
)
FACTS = HostFacts(
    "x86_64", "/usr/bin/qemu", "TCG", "no KVM here", "pc-q35-7.2", 2, 8 << 30, "9.0.0", "7.2.0", guests=(QEMU,)
)
GIB = 1 << 30


@dataclass
class FakeKeyring:
    """Keys of Ceph clusters, and the pools whose key libvirt knows."""

    call: Callable[[str], None]
    keys: dict[str, CephKey] = field(default_factory=dict)

    def has(self, pool: str) -> bool:
        return pool in self.keys

    def put(self, pool: str, key: CephKey) -> None:
        self.keys[pool] = key

    def drop(self, pool: str) -> None:
        self.keys.pop(pool, None)

    async def lend(self, pool: str) -> None:
        self.call(f"lend {pool} {self.keys[pool].value[-1:].decode()}")


@dataclass
class FakeHost:
    """One node's libvirt."""

    found: dict[str, Guest] = field(default_factory=dict)
    files: dict[tuple[str, str], VolumeFile] = field(default_factory=dict)
    pools: dict[str, PoolFacts] = field(default_factory=dict)
    networks: dict[str, VirtualNetworkSpec] = field(default_factory=dict)
    leases: dict[tuple[str, str], Reservation] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    boots: int = 0
    room: int = 100 * GIB
    connected: bool = True
    trouble: str = "not connected"
    meanwhile: Callable[[], None] | None = None
    """What happens elsewhere, once, while libvirt is asked next."""
    fails: dict[str, OperatorError] = field(default_factory=dict)
    """What the next call of a verb runs into."""
    broken: dict[str, OperatorError] = field(default_factory=dict)
    """What every call of a verb runs into."""
    logs: Logs = field(default_factory=lambda: Logs(Path("/state/logs")))
    blueprints: dict[str, Blueprint] = field(default_factory=dict)
    """What each guest was defined from last."""
    named: frozenset[str] = frozenset()
    """Digests that guests and volumes name."""
    able: HostFacts = FACTS
    """What the host can do."""
    plugged: dict[str, Any] = field(default_factory=dict)
    """What was changed of guests in flight."""
    dies: str = ""
    """Device of which the agent dies right after it was plugged in or out."""
    claims: tuple[Claim, ...] = ()
    """Devices of the node that strangers' guests have; of ours their definitions tell."""
    listens: bool = False
    """Whether guests switch themselves off when they are asked to."""
    copied: asyncio.Event | None = None
    """When copies are whole; None: at once."""
    saved: asyncio.Event | None = None
    """When a guest's memory is saved; None: at once."""
    folder: Path = Path("/pool")
    """Where copies that are worked on are."""

    def __post_init__(self) -> None:
        self.given: dict[str, tuple[tuple[str, str], ...]] = {}
        self._listeners: list[Callable[[GuestEvent], None]] = []
        self._watchers: list[Callable[[bool], None]] = []
        self.safe = FakeSafe(self.files, self._call)
        self.captures = self
        self.keyring = FakeKeyring(self._call)

    def subscribe(self, callback: Callable[[GuestEvent], None]) -> None:
        self._listeners.append(callback)

    def watch_connection(self, callback: Callable[[bool], None]) -> None:
        self._watchers.append(callback)

    async def wait_connected(self) -> None:
        await asyncio.sleep(0)
        assert self.connected, "nobody connects it"

    def _call(self, verb: str) -> None:
        self.calls.append(verb)
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()
        if not self.connected:
            raise Unavailable(self.trouble, reason="LibvirtUnavailable")
        if verb in self.fails:
            raise self.fails.pop(verb)
        if verb in self.broken:
            raise self.broken[verb]

    async def named_images(self) -> frozenset[str]:
        self._call("named_images")
        return self.named

    def befall(self, uuid: str, state: Any, reason: Any) -> None:
        """Have something happen to a guest, and libvirt tell of it."""
        self._set(uuid, state, reason)
        self._tell(uuid, {"Off": "Stopped", "Paused": "Suspended", "Running": "Resumed"}[state], reason)

    def _set(self, uuid: str, state: Any, reason: Any) -> None:
        guest = self.found[uuid]
        if guest.persistent or state != "Off":
            self.found[uuid] = replace(guest, state=state, reason=reason)
        else:
            del self.found[uuid]

    def _tell(self, uuid: str, kind: Any, detail: str = "") -> None:
        for listener in self._listeners:
            listener(GuestEvent(uuid, kind, detail, 0.0))

    async def facts(self, *, afresh: bool = False) -> HostFacts:
        self._call("facts" if not afresh else "facts afresh")
        return self.able

    async def device_claims(self) -> tuple[Claim, ...]:
        self._call("device_claims")
        return (
            *self.claims,
            *(_claim(guest, self.given[uuid]) for uuid, guest in self.found.items() if uuid in self.given),
        )

    async def guests(self) -> tuple[Guest, ...]:
        self._call("guests")
        return tuple(self.found.values())

    async def guest(self, uuid: str) -> Guest | None:
        self._call("guest")
        return self.found.get(uuid)

    async def define(self, blueprint: Blueprint) -> None:
        self._call("define")
        record, uuid = blueprint.record, blueprint.spec.uuid
        self.blueprints[uuid] = blueprint
        name = f"{blueprint.namespace}.{record.machine}"
        blank = Guest(uuid, name, "Off", "Unknown", persistent=True, has_managed_save=False, record=record)
        self.found[uuid] = replace(self.found.get(uuid, blank), record=record, persistent=True)
        self.given[uuid] = tuple((address, name) for name, members in blueprint.devices for address in members)

    async def start(self, uuid: str, *, paused: bool = False) -> None:
        self._call("start")
        guest = self.found[uuid]
        if guest.reason == "Crashed" and guest.has_managed_save:
            raise Refused("cut short", reason="ResumeFailed")
        self.boots += not guest.has_managed_save
        state: Any = "Paused" if paused else "Running"
        self.found[uuid] = replace(guest, state=state, reason="User" if paused else "Booted", has_managed_save=False)
        self._tell(uuid, "Started")

    async def launch(self, blueprint: Blueprint, *, paused: bool = False) -> None:
        self._call("launch")
        await self.define(blueprint)
        await self.start(blueprint.spec.uuid, paused=paused)

    async def shutdown(self, uuid: str) -> None:
        self._call("shutdown")
        if self.listens:
            self.befall(uuid, "Off", "Shutdown")

    async def destroy(self, uuid: str) -> None:
        self._call("destroy")
        if uuid in self.found and self.found[uuid].active:
            self.befall(uuid, "Off", "Destroyed")

    async def suspend(self, uuid: str) -> None:
        self._call("suspend")
        self.befall(uuid, "Paused", "User")

    async def resume(self, uuid: str) -> None:
        self._call("resume")
        self.befall(uuid, "Running", "Resumed")

    async def set_link(self, uuid: str, mac: str, state: str) -> None:
        self._call(f"set_link {state}")
        assert uuid in self.found
        assert mac

    async def set_cores(self, uuid: str, cores: int) -> None:
        self._plug(uuid, "cores", cores)

    async def set_memory(self, uuid: str, size_bytes: int) -> None:
        self._plug(uuid, "memory", size_bytes)

    async def attach_disk(self, uuid: str, disk: DomainDisk, path: Path, device: str) -> None:
        self._plug(uuid, disk.name, (str(path), device))

    async def detach_disk(self, uuid: str, name: str) -> None:
        self._plug(uuid, name, None)

    async def resize_disk(self, uuid: str, name: str, size_bytes: int) -> None:
        self._plug(uuid, name, size_bytes)
        self.files = {key: replace(file, capacity_bytes=size_bytes) for key, file in self.files.items()}

    async def limit_disk(self, uuid: str, name: str, limits: DiskBounds) -> None:
        self._plug(uuid, f"{name} limits", limits)

    async def set_medium(self, uuid: str, name: str, content: Path | None) -> None:
        self._plug(uuid, name, content and str(content))

    async def attach_interface(self, uuid: str, interface: DomainInterface) -> None:
        self._plug(uuid, interface.name, interface.mac)

    async def detach_interface(self, uuid: str, name: str) -> None:
        self._plug(uuid, name, None)

    def _plug(self, uuid: str, what: str, value: Any) -> None:
        self._call(f"plug {what}")
        assert self.found[uuid].active
        self.plugged[what] = value
        if what == self.dies:
            self.dies = ""
            raise asyncio.CancelledError

    async def hibernate(self, uuid: str) -> None:
        self._call("hibernate")
        if self.saved is not None:
            self.befall(uuid, "Paused", "Saving")
            await self.saved.wait()
        if self.found[uuid].reason == "Resumed":
            raise Busy("canceled by client")
        self.found[uuid] = replace(self.found[uuid], state="Off", reason="Saved", has_managed_save=True)

    async def stop_saving(self, uuid: str) -> None:
        self._call("stop_saving")
        if self.found[uuid].reason == "Saving":
            self.befall(uuid, "Running", "Resumed")

    async def discard_save(self, uuid: str) -> None:
        self._call("discard_save")
        self.found[uuid] = replace(self.found[uuid], has_managed_save=False)

    async def undefine(self, uuid: str) -> None:
        self._call("undefine")
        self.found.pop(uuid, None)

    async def write_record(self, uuid: str, record: Record) -> None:
        self._call("write_record")
        if uuid in self.found:
            self.found[uuid] = replace(self.found[uuid], record=record)

    async def ping_guest(self, uuid: str, *, timeout_seconds: int = 1) -> bool:
        return uuid in self.found and timeout_seconds > 0

    async def ping(self, uuid: str, seconds: int) -> bool:
        """Ping, as the prober asks for it."""
        return await self.ping_guest(uuid, timeout_seconds=seconds)

    async def trim_logs(self) -> None:
        self._call("trim_logs")

    async def samples(self, uuids: Collection[str]) -> tuple[GuestSample, ...]:
        self._call("samples")
        return tuple(GuestSample(uuid, 1.5, None, 1 << 20, (), ()) for uuid in uuids)

    async def ensure_pool(self, pool: str, path: str, lender: Lender | None = None) -> PoolFacts:
        self._call(f"ensure_pool of {lender}" if lender else "ensure_pool")
        self.pools[pool] = PoolFacts(pool, path, 200 * GIB, self.room)
        return self.pools[pool]

    async def pool(self, pool: str) -> PoolFacts | None:
        self._call("pool")
        return self.pools.get(pool)

    async def pool_names(self) -> tuple[str, ...]:
        return tuple(self.pools)

    async def network_names(self) -> tuple[str, ...]:
        return tuple(self.networks)

    async def remove_pool(self, pool: str) -> None:
        self._call("remove_pool")
        if not any(place == pool for place, _ in self.files):
            self.pools.pop(pool, None)

    async def volume(self, pool: str, uid: str) -> VolumeFile | None:
        self._call("volume")
        return self.files.get((pool, uid))

    async def create_volume(self, pool: str, uid: str, size_bytes: int, image: Path | None = None) -> VolumeFile:
        self._call(f"create_volume from {image.name}" if image else "create_volume")
        if self.room < size_bytes:
            raise NotReady(f"pool {pool} has no room left", reason="PoolFull")
        return self.files.setdefault((pool, uid), VolumeFile(f"/{pool}/{uid}", size_bytes, 1 << 20))

    async def create_whole_volume(self, pool: str, uid: str, size_bytes: int, image: Path | None) -> VolumeFile:
        self._call(f"create_whole_volume from {image.name}" if image else "create_whole_volume")
        return await self.create_volume(pool, uid, size_bytes)

    async def grow_volume(self, pool: str, uid: str, size_bytes: int) -> VolumeFile:
        self._call("grow_volume")
        self.files[pool, uid] = replace(self.files[pool, uid], capacity_bytes=size_bytes)
        return self.files[pool, uid]

    async def copy_volume(self, pool: str, uid: str, size_bytes: int, origin: tuple[str, str]) -> VolumeFile:
        self._call(f"copy_volume from {'/'.join(origin)}")
        if self.copied is not None:
            await self.copied.wait()
        size = max(size_bytes, self.files[origin].capacity_bytes)
        return self.files.setdefault((pool, uid), VolumeFile(f"/{pool}/{uid}", size, 1 << 20))

    def _write(self, path: Path) -> None:
        path.write_text("identity\n")

    async def begin(self, pool: str, uid: str, origin: tuple[str, str]) -> VolumeFile:
        file = await self.copy_volume(pool, f"{uid}.copy", 0, origin)
        path = self.folder / f"{uid}.copy.qcow2"
        self._write(path)
        copy = self.files[pool, f"{uid}.copy"] = replace(file, path=str(path))
        return copy

    async def finish(self, pool: str, uid: str) -> VolumeFile:
        self._call("finish")
        return self.files.setdefault((pool, uid), self.files.pop((pool, f"{uid}.copy")))

    async def drop(self, pool: str, uid: str) -> None:
        self._call("drop")
        self.files.pop((pool, f"{uid}.copy"), None)

    async def lun(self, pool: str, lun: int) -> VolumeFile | None:
        self._call("lun")
        return self.files.get((pool, str(lun)))

    async def wipe_lun(self, pool: str, place: Unit) -> None:
        self._call(f"wipe_lun {place.lun}")
        if self.copied is not None:
            await self.copied.wait()
        assert (pool, str(place.lun)) in self.files

    async def digest(self, file: VolumeFile) -> str:
        self._call("digest")
        return f"sha256:{file.path}"

    async def wipe_volume(self, pool: str, uid: str) -> None:
        self._call("wipe_volume")
        assert (pool, uid) in self.files

    async def delete_volume(self, pool: str, uid: str) -> None:
        self._call("delete_volume")
        self.files.pop((pool, uid), None)

    async def ensure_network(self, network: str, spec: VirtualNetworkSpec) -> NetworkFacts:
        self._call("ensure_network")
        self.networks[network] = spec
        return NetworkFacts(network, "drv0", active=True)

    async def remove_network(self, network: str) -> None:
        self._call("remove_network")
        self.networks.pop(network, None)

    async def reserve(self, network: str, domain: str, reservation: Reservation) -> None:
        self._call(f"reserve in {domain}")
        self.leases[network, reservation.mac] = reservation

    async def release(self, network: str, mac: str) -> None:
        self._call("release")
        self.leases.pop((network, mac), None)

    async def reservations(self, network: str) -> tuple[str, ...]:
        return tuple(mac for name, mac in self.leases if name == network)


def _claim(guest: Guest, devices: tuple[tuple[str, str], ...]) -> Claim:
    owner = f"{guest.record.namespace}/{guest.record.machine}"
    return Claim(guest.uuid, owner, ours=True, holds=guest.active or guest.record.live is not None, devices=devices)
