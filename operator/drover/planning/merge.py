"""What a machine inherits: its own spec over its plugin's revision, as one pure function.

Maps are merged deep and lists by name, the plugin's entries first; a list that the machine leaves empty stays empty.
Where only one of several fields may stand, the machine's choice takes the plugin's away.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from drover.api.base import Model
from drover.api.plugin import PluginRevision, Workload
from drover.api.virtualmachine import VirtualMachineSpec
from drover.planning import names

Fields = Mapping[str, Any]
Alternatives = tuple[frozenset[str], ...]
"""Groups of fields of which only one may be there."""

PROBES = ("httpGet", "tcpSocket", "guestAgent")
EXCLUSIVE: Mapping[str, tuple[Alternatives, ...]] = {
    "readinessProbe": (tuple(frozenset({member}) for member in PROBES),),
    "cloudInit": tuple(
        (frozenset({text}), frozenset({f"{text}SecretRef"})) for text in ("userData", "networkData", "metaData")
    ),
    "disks": (
        (frozenset({"volume"}), frozenset({"image", "size", "pool", "reclaimPolicy", "encryption"})),
        (frozenset({"from"}), frozenset({"image", "encryption"})),
    ),
}
"""By the name of the map, or of the list of maps, that they stand in."""


def merge(spec: VirtualMachineSpec, revision: PluginRevision, namespace: str) -> VirtualMachineSpec:
    """Lay a machine's spec over a revision of a plugin of `namespace`, and that over what its workload stands for."""
    template = _fields(revision.template) if revision.template else {}
    below = over("", _implied(revision.workload), _qualified(template, namespace))
    return VirtualMachineSpec.model_validate(over("", below, _fields(spec)))


def over(name: str, below: Any, above: Any) -> Any:
    """Lay one value over another; `name` is the field that both stand in."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        kept = _undisplaced(name, below, above)
        return {**kept, **{field: over(field, kept.get(field), value) for field, value in above.items()}}
    if _named(below) and _named(above) and above:
        return _by_name(name, below, above)
    return above


def gaps(spec: VirtualMachineSpec) -> Iterator[str]:
    """Tell what is still missing after the merge, by path."""
    for disk in spec.disks or []:
        if disk.size is None and not (disk.volume or disk.image or disk.from_ or disk.type == "CDROM"):
            yield f"spec.disks[{disk.name}]: one of image, from, size or volume is required, here or in the plugin"
    probe = spec.readiness_probe
    if probe and not (probe.http_get or probe.tcp_socket or probe.guest_agent):
        yield f"spec.readinessProbe: one of {', '.join(PROBES)} is required, here or in the plugin"


def _fields(model: Model) -> Fields:
    written: Fields = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return written


def _undisplaced(name: str, below: Fields, above: Fields) -> Fields:
    gone = {
        field
        for alternatives in EXCLUSIVE.get(name, ())
        for chosen in alternatives
        if chosen & above.keys()
        for other in alternatives
        if other is not chosen
        for field in other
    }
    return {field: value for field, value in below.items() if field not in gone}


def _named(value: object) -> TypeGuard[Sequence[Fields]]:
    return isinstance(value, list) and all(isinstance(each, Mapping) and "name" in each for each in value)


def _by_name(name: str, below: Sequence[Fields], above: Sequence[Fields]) -> list[Fields]:
    ours = {each["name"]: each for each in above}
    inherited = [over(name, each, ours.get(each["name"], {})) for each in below]
    known = {each["name"] for each in below}
    return [*inherited, *(each for each in above if each["name"] not in known)]


def _implied(workload: Workload | None) -> Fields:
    """How to ask a workload that says what it speaks, unless somebody says it otherwise."""
    if workload is None or workload.type is None:
        return {}
    member = "httpGet" if workload.type == "HTTP" else "tcpSocket"
    return {"readinessProbe": {member: {"port": workload.port}}}


def _qualified(template: Fields, namespace: str) -> Fields:
    """Have the plugin's own references mean its own namespace."""
    kernel, disks = template.get("kernel"), template.get("disks")
    parts: dict[str, Any] = {}
    if kernel:
        parts["kernel"] = _with_image(kernel, namespace)
    if disks:
        parts["disks"] = [_with_image(disk, namespace) for disk in disks]
    return {**template, **parts}


def _with_image(part: Fields, namespace: str) -> Fields:
    return {**part, "image": names.qualified(part["image"], namespace)} if "image" in part else part
