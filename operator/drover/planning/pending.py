"""Pending changes: where the machine in flight differs from what it would be started as now, and what becomes of that.

One function says of each difference when it applies; for those that apply at once it also gives the steps, so that what
a user is told and what the node does cannot differ.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from drover.api.domain import DomainDisk, DomainInterface, DomainMedium, DomainSpec, DomainStatus, LiveMachine
from drover.api.virtualmachine import PendingChange
from drover.planning import live, netconfig, quantity, seed
from drover.planning.conditions import Finding
from drover.planning.difference import Difference, begun, plug, unplug
from drover.planning.domain_action import (
    AttachDisk,
    AttachInterface,
    DetachDisk,
    DetachInterface,
    DomainAction,
    EnsureNetwork,
    EnsurePool,
    EnsureVolume,
    FetchImages,
    LimitDisk,
    OpenVolume,
    RemoveLease,
    ResizeDisk,
    SetCores,
    SetMedium,
    SetMemory,
    WriteLease,
)
from drover.planning.live import LiveDisk
from drover.state import devices

HOTPLUG = frozenset({"VirtIO", "SCSI"})
"""Buses that disks are plugged into while the guest runs."""

SILENT = DomainStatus()
"""What a node says that has not looked yet."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is known of the Secrets that a machine's seed names."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """What each has now, by its name, empty for one that is gone; only of those that were looked at."""
    told: Sequence[PendingChange] = ()
    """What was said last: of one that was not looked at it still stands."""


def changes(
    present: LiveMachine | None,
    spec: DomainSpec | None,
    secrets: Rotation = Rotation(),
    told: DomainStatus = SILENT,
) -> list[PendingChange]:
    """List the differences for the status; none while the machine is off or its spec cannot be resolved.

    `told`: what its node says that it lacks of what it would be started with now, and what it cannot change just now.
    """
    if present is None or spec is None:
        return []
    later = _waits_for_restart(present, spec)
    lacks = {each.path: each.message for each in told.lacking or ()}
    obstacles = {each.path: each.message for each in told.obstacles or ()}
    found = chain(differences(present, spec), _rotated(present, spec, secrets))
    moved = (replace(each, effect="Restart") if later and not each.begun else each for each in found)
    return [_pending(each, lacks.get(each.path, ""), obstacles.get(each.path, "")) for each in moved]


def _pending(change: Difference, lack: str, obstacle: str) -> PendingChange:
    return PendingChange(
        path=change.path,
        live=change.present or "none",
        desired=change.desired or "none",
        effect="Impossible" if lack else change.effect,
        reason=lack or (obstacle if change.effect == "Live" else "") or change.reason,
    )


def _waits_for_restart(present: LiveMachine, spec: DomainSpec) -> bool:
    """Tell whether nothing is live: another plugin or none, or another revision, comes with all of it at a restart."""
    return (spec.plugin.revision if spec.plugin else "") != present.plugin


def synced(pending: list[PendingChange]) -> Finding:
    """Find out whether the machine in flight is what the spec asks for; it only informs."""
    if not pending:
        return Finding("Synced", "True", "Synced")
    waiting = [change for change in pending if change.effect != "Live"]
    words = ", ".join(map(_worded, waiting or pending))
    impossible = any(change.effect == "Impossible" for change in waiting)
    reason = "Impossible" if impossible else "RestartRequired" if waiting else "Changing"
    return Finding("Synced", "False", reason, words)


def _worded(change: PendingChange) -> str:
    when = {"Live": "is being changed", "Restart": "after a restart", "Impossible": "not on this node"}[change.effect]
    why = f" ({change.reason})" if change.reason else ""
    return f"{change.path} is {change.live}, {change.desired} {when}{why}"


def live_changes(present: LiveMachine | None, spec: DomainSpec) -> Iterator[Difference]:
    """Find the differences that a node can do something about at once: each by itself, in any order."""
    if present is not None:
        later = _waits_for_restart(present, spec)
        lively = (each for each in differences(present, spec) if each.begun or not later)
        yield from (each for each in lively if each.after is not None)


def differences(present: LiveMachine, spec: DomainSpec) -> Iterator[Difference]:
    """List the differences between the machine in flight and its spec."""
    wanted = live.machine(spec)
    return chain(
        _cores(present, wanted),
        _memory(present, wanted),
        _settings(present, wanted),
        _disks(present, spec),
        _media(present, spec),
        _interfaces(present, spec),
        _devices(present, wanted),
        _plain("spec.kernel", present.kernel, wanted.kernel),
        _seed(present, spec),
        _plain("spec.plugin", present.plugin, wanted.plugin),
    )


def _plain(path: str, has: str, gets: str) -> Iterator[Difference]:
    if has != gets:
        yield Difference(path, has, gets)


def _cores(present: LiveMachine, wanted: LiveMachine) -> Iterator[Difference]:
    path, has, gets = "spec.cpu.cores", str(present.cores), str(wanted.cores)
    limit = present.max_cores or present.cores
    if present.cores < wanted.cores <= limit:
        after = present.model_copy(update={"cores": wanted.cores})
        yield Difference(path, has, gets, "Live", "", (SetCores(wanted.cores),), after)
    elif wanted.cores < present.cores:
        yield Difference(path, has, gets, reason="cores are taken away only by a restart")
    elif wanted.cores > limit:
        yield Difference(path, has, gets, reason=f"it was started with maxCores {limit}")
    if limit != (wanted.max_cores or wanted.cores) and present.max_cores != wanted.max_cores:
        yield Difference("spec.cpu.maxCores", _count(present.max_cores), _count(wanted.max_cores))


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _memory(present: LiveMachine, wanted: LiveMachine) -> Iterator[Difference]:
    path, has, gets = "spec.memory.size", _bytes(present.memory_bytes), _bytes(wanted.memory_bytes)
    limit = present.max_memory_bytes or present.memory_bytes
    if "spec.memory.hugepages" in present.settings or present.devices:
        yield from _plain(path, has, gets)
    elif wanted.memory_bytes > limit:
        yield Difference(path, has, gets, reason=f"it was started with maxSize {_bytes(limit)}")
    elif wanted.memory_bytes != present.memory_bytes:
        after = present.model_copy(update={"memory_bytes": wanted.memory_bytes, "max_memory_bytes": limit})
        yield Difference(path, has, gets, "Live", "", (SetMemory(wanted.memory_bytes),), after)
    top = wanted.max_memory_bytes
    if top is not None and top != limit:
        yield Difference("spec.memory.maxSize", _bytes(present.max_memory_bytes), _bytes(top))


def _bytes(size: int | None) -> str:
    return "" if size is None else quantity.binary(size)


def _settings(present: LiveMachine, wanted: LiveMachine) -> Iterator[Difference]:
    for path in sorted({*present.settings, *wanted.settings}):
        yield from _plain(path, present.settings.get(path, ""), wanted.settings.get(path, ""))


def _devices(present: LiveMachine, wanted: LiveMachine) -> Iterator[Difference]:
    has, gets = live.resources(present), live.resources(wanted)
    for name in sorted({*has, *gets}):
        yield from _plain(f"spec.devices[{name}]", has.get(name, ""), gets.get(name, ""))


# --- disks -----------------------------------------------------------------------------------------------------------


def _disks(present: LiveMachine, spec: DomainSpec) -> Iterator[Difference]:
    there, wanted = live.disks(present), {disk.name: disk for disk in spec.disks}
    for name, has in there.items():
        step, disk = present.changing.get(_path(name)), wanted.get(name)
        if disk is None or step == live.UNPLUGGING or (step and not _is_same(has, disk)):
            yield _removed(present, has, disk)
    for name, disk in wanted.items():
        if name not in there:
            yield _added(present, disk)
        elif _path(name) not in present.changing:
            yield from _changed(present, there[name], disk)
        elif present.changing[_path(name)] == live.PLUGGING and _is_same(there[name], disk):
            yield _plugged(present, there[name], disk)


def _path(name: str) -> str:
    return f"spec.disks[{name}]"


def _is_same(has: LiveDisk, disk: DomainDisk) -> bool:
    """Whether it is the disk that is asked for, but for what may change as the guest runs."""
    gets = live.read_disk(live.disk_text(disk, has.device))
    return (has.volume, has.fixed) == (gets.volume, gets.fixed)


def _removed(present: LiveMachine, has: LiveDisk, disk: DomainDisk | None) -> Difference:
    """Take a disk out; what takes its place comes when it is gone."""
    path, gets = _path(has.name), live.read_disk(live.disk_text(disk, "")).shown if disk else ""
    if has.bus not in HOTPLUG:
        return Difference(path, has.shown, gets, reason=f"bus {has.bus} lets go of disks only at a restart")
    without = live.replaced(present.disks, has.name, None)
    return unplug(present, Difference(path, has.shown, gets), (DetachDisk(has.name),), {"disks": without})


def _added(present: LiveMachine, disk: DomainDisk) -> Difference:
    there, bus = (*live.disks(present).values(), *live.media(present).values()), disk.hardware.bus
    (device,) = devices.names([bus], (each.device for each in there))
    text = live.disk_text(disk, device)
    change = Difference(_path(disk.name), "", live.read_disk(text).shown)
    if obstacle := _no_room(present, bus):
        return replace(change, reason=obstacle)
    images = (FetchImages(),) if disk.image else ()
    pools = dict.fromkeys((disk.pool, disk.clone.pool if disk.clone else disk.pool))
    opened = (OpenVolume(disk),) if disk.key else ()
    ready = (*(EnsurePool(pool) for pool in pools), *images, EnsureVolume(disk), *opened)
    return plug(present, change, ready, {"disks": live.replaced(present.disks, disk.name, text)})


def _plugged(present: LiveMachine, has: LiveDisk, disk: DomainDisk) -> Difference:
    """Plug in a disk that is written down; nothing else is done to its file: the guest may have it open already."""
    return begun(
        present, Difference(_path(has.name), "", has.shown), (EnsurePool(disk.pool), AttachDisk(disk, has.device))
    )


def _no_room(present: LiveMachine, bus: str) -> str:
    """Say why nothing can be plugged into a bus of the machine in flight, empty when it can."""
    if bus not in HOTPLUG:
        return f"bus {bus} takes disks only at a restart"
    drives = (*live.disks(present).values(), *live.media(present).values())
    if bus == "SCSI":
        return "" if any(each.bus == "SCSI" for each in drives) else "it was started without anything on bus SCSI"
    taken = sum(each.bus == "VirtIO" for each in live.disks(present).values()) + len(present.interfaces)
    return "" if taken < present.ports else f"all {present.ports} slots of its board are taken"


def _changed(present: LiveMachine, has: LiveDisk, disk: DomainDisk) -> Iterator[Difference]:
    text = live.disk_text(disk, has.device)
    gets = live.read_disk(text)
    if not _is_same(has, disk):
        yield from _plain(_path(disk.name), has.shown, gets.shown)
        return
    grows = disk.size_bytes is not None and disk.size_bytes > (has.size or 0)
    steps: tuple[DomainAction, ...] = (ResizeDisk(disk),) if grows else ()
    if has.bounds != gets.bounds:
        steps = (*steps, LimitDisk(disk.name, disk.hardware.limits))
    if steps:
        after = present.model_copy(update={"disks": live.replaced(present.disks, disk.name, text)})
        yield Difference(_path(disk.name), has.shown, gets.shown, "Live", "", steps, after)


def _media(present: LiveMachine, spec: DomainSpec) -> Iterator[Difference]:
    there, wanted = live.media(present), {medium.name: medium for medium in spec.media}
    for name in {**there, **wanted}:
        yield from _drive(present, there.get(name), wanted.get(name))


def _drive(present: LiveMachine, has: LiveDisk | None, medium: DomainMedium | None) -> Iterator[Difference]:
    plugged = (has.device, has.options.get(live.CHOSEN, "")) if has else ("", "")
    text = live.medium_text(medium, *plugged) if medium else ""
    gets = live.read_medium(text) if medium else None
    if has is None or medium is None or gets is None or has.fixed != gets.fixed:
        one = next(each for each in (has, gets) if each)
        pair = has.shown if has else "", gets.shown if gets else ""
        yield Difference(_path(one.name), *pair, reason="drives come and go only at a restart")
    elif has.options != gets.options:
        steps = ((FetchImages(),) if medium.image else ()) + (SetMedium(medium),)
        after = {"media": live.replaced(present.media, medium.name, text)}
        yield Difference(_path(has.name), has.shown, gets.shown, "Live", "", steps, present.model_copy(update=after))


# --- interfaces ------------------------------------------------------------------------------------------------------


def _interfaces(present: LiveMachine, spec: DomainSpec) -> Iterator[Difference]:
    there = {text.split()[0]: text for text in present.interfaces}
    wanted = {each.name: each for each in spec.interfaces}
    for name, text in there.items():
        step, gets = present.changing.get(_wire(name)), _shown(wanted.get(name))
        same = text.partition(" ")[2] == gets
        if name not in wanted or step == live.UNPLUGGING or (step and not same):
            yield _disconnected(present, text, gets)
        elif step:
            yield _connected(present, wanted[name], gets)
        else:
            yield from _plain(_wire(name), text.partition(" ")[2], gets)
    for each in spec.interfaces:
        if each.name not in there:
            change = Difference(_wire(each.name), "", _shown(each))
            if obstacle := _no_room(present, "VirtIO"):
                yield replace(change, reason=obstacle)
                continue
            more = {"interfaces": [*present.interfaces, live.interface_text(each)]}
            yield plug(present, change, (EnsureNetwork(each.network),), more)


def _wire(name: str) -> str:
    return f"spec.interfaces[{name}]"


def _shown(interface: DomainInterface | None) -> str:
    return live.interface_text(interface).partition(" ")[2] if interface else ""


def _disconnected(present: LiveMachine, text: str, gets: str) -> Difference:
    """Take an interface out, and its packet filter once it is gone; what takes its place comes after that."""
    name, network, mac, *_ = text.split()
    gone = DetachInterface(name, network, mac)
    change = Difference(_wire(name), text.partition(" ")[2], gets)
    without = live.replaced(present.interfaces, name, None)
    return unplug(present, change, (gone, RemoveLease(gone.interface)), {"interfaces": without})


def _connected(present: LiveMachine, interface: DomainInterface, gets: str) -> Difference:
    """Plug in an interface that is written down."""
    steps = (EnsureNetwork(interface.network), WriteLease(interface), AttachInterface(interface, present))
    return begun(present, Difference(_wire(interface.name), "", gets), steps)


# --- the seed ---------------------------------------------------------------------------------------------------------


def _seed(present: LiveMachine, spec: DomainSpec) -> Iterator[Difference]:
    """Find out whether the guest would be told something else; what comes with an interface comes with that."""
    if not netconfig.is_told(present.seed, spec.seed, spec.interfaces):
        yield Difference("spec.cloudInit", present.seed.partition(" ")[0], seed.digest(spec.seed))


def _rotated(present: LiveMachine, spec: DomainSpec, secrets: Rotation) -> Iterator[Difference]:
    """Find texts of the seed whose Secret was written to since the guest was told."""
    if spec.seed is None or not netconfig.is_told(present.seed, spec.seed, spec.interfaces):
        return
    told = dict(each.split(" ", 1) for each in present.secrets)
    before = {(each.path, each.live): each.desired for each in secrets.told}
    for part, text in seed.texts(spec.seed):
        if text.secret is not None:
            name, path = text.secret.name, f"spec.cloudInit.{part}SecretRef"
            has = _version(name, told.get(name, "unknown"))
            known = name in secrets.versions
            gets = _version(name, secrets.versions[name]) if known else before.get((path, has), has)
            yield from _plain(path, has, gets)


def _version(name: str, version: str) -> str:
    return f"Secret {name}, version {version}" if version else f"Secret {name}, which is gone"
