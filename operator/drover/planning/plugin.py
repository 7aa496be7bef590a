"""Plugins: which revision a machine is made of, what is kept of old ones, and what is said of a plugin.

A machine is pinned to the revision that it started with. Another one comes in only with a start that its user asks
for: a restart request, or a start after the spec had it stopped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from drover.api import kinds
from drover.api.plugin import PluginRevision, PluginStatus
from drover.api.virtualmachine import VirtualMachineSpec
from drover.planning import names, power, references
from drover.planning.action import Action, AddFinalizer, Create, Delete, RemoveFinalizer, Stage
from drover.planning.conditions import Finding, stamp
from drover.planning.inheritance import Inheritance
from drover.planning.merge import merge
from drover.planning.view import DomainView, MachineView, PluginView
from drover.state.resource import Meta, pack_model
from drover.state.revision import Revision

HISTORY = 10
"""Revisions that are kept although no machine is made of them."""
NAMED_USERS = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """Revisions of a machine's plugin, by name."""

    revision: str
    """The one that the machine is to be made of now, empty when it may use none."""
    newest: str
    """The one that a restart on request would bring; the same when nothing waits."""
    problem: Finding | None = None


@dataclass(frozen=True, slots=True)
class PluginFound:
    """A plugin and all that depends on it."""

    plugin: PluginView
    revisions: tuple[Revision, ...]
    """Its own."""
    users: tuple[str, ...]
    """Machines that name it, as namespace/name, sorted."""
    pinned: frozenset[str]
    """Revisions that machines are made of."""
    closing: bool = False
    """Whether its namespace is being deleted, and its revisions with it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, stage after stage, and what to say."""

    stages: tuple[Stage, ...]
    status: PluginStatus


# --- for a machine ----------------------------------------------------------------------------------------------------


def reference(machine: MachineView) -> str:
    """``namespace/name`` of the plugin that a machine names, empty for none."""
    return names.qualified(machine.spec.plugin, machine.meta.key.namespace) if machine.spec.plugin else ""


def choose(
    machine: MachineView, domain: DomainView | None, plugin: PluginView | None, labels: Mapping[str, str]
) -> Choice:
    """Choose the revision that a machine is made of; `labels` are those of the machine's namespace."""
    name = reference(machine)
    newest, problem = _offered(name, plugin, machine.meta.key.namespace, labels)
    pinned = _pinned(name, machine, domain)
    if pinned and (problem or not _renews(machine, domain)):
        return Choice(pinned, newest or pinned)
    return Choice(newest, newest, problem)


def _offered(
    name: str, plugin: PluginView | None, namespace: str, labels: Mapping[str, str]
) -> tuple[str, Finding | None]:
    """Give the revision that a machine which begins to use the plugin would get, or why it gets none."""
    if plugin is None:
        return "", _refused("PluginNotFound", f"there is no Plugin {name}")
    if not references.shares(plugin.meta.key.namespace, plugin.spec.allowed_namespaces, namespace, labels):
        return "", _refused("NotAllowed", f"Plugin {name} is not shared with namespace {namespace}")
    if plugin.meta.deleting:
        return "", _refused("PluginNotFound", f"Plugin {name} is being deleted")
    if plugin.spec.state == "Disabled":
        return "", _refused("PluginDisabled", f"Plugin {name} is disabled")
    if plugin.status.revision != revision_name(plugin):
        return "", _refused("PluginNotReady", f"the present revision of Plugin {name} is not written down yet")
    return plugin.status.revision, None


def _refused(reason: str, message: str) -> Finding:
    return Finding("Accepted", "False", reason, f"plugin: {message}")


def _pinned(name: str, machine: MachineView, domain: DomainView | None) -> str:
    """Revision that the machine last started with; its status tells of it while it has no Domain."""
    if domain is not None:
        pin = domain.spec.plugin
        return pin.revision if pin and pin.name == name else ""
    resolved = machine.status.resolved
    moved = bool(machine.status.epoch) and resolved is not None and resolved.plugin == name
    return (resolved.plugin_revision or "") if moved and resolved else ""


def _renews(machine: MachineView, domain: DomainView | None) -> bool:
    """Tell whether the next start is one that the user asked for."""
    if machine.spec.power_state == "Stopped":
        return True
    if domain is None:
        return False
    restart, start = machine.meta.annotation("restartedAt"), machine.meta.annotation("startedAt")
    starts = domain.status.state in power.OFF_STATES and start not in {"", domain.spec.started_at}
    return restart not in {"", domain.spec.restarted_at} or starts


def inherit(
    spec: VirtualMachineSpec, plugin: str, name: str, revision: Revision | None
) -> tuple[VirtualMachineSpec, Inheritance]:
    """Lay a machine's spec over the revision `name` of a plugin, ``None`` when that is gone."""
    if revision is None:
        words = f"revision {name} of Plugin {plugin} is gone; a restart request takes the present one"
        return spec, Inheritance(plugin, name, problem=_refused("PluginNotFound", words))
    try:
        content = PluginRevision.model_validate_json(revision.packed)
        return merge(spec, content, plugin.partition("/")[0]), Inheritance(plugin, name, content.workload)
    except ValidationError as error:
        # Each is sound by itself; laid over one another they may be too long.
        return spec, Inheritance(plugin, name, problem=Finding("Accepted", "False", "InvalidSpec", _words(error)))


def _words(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    return f"spec.{path}: {first['msg']}, with what the plugin gives"


# --- for a plugin -----------------------------------------------------------------------------------------------------


def decide(found: PluginFound, *, now: str) -> Decision:
    """Tell what to do about a plugin and what to say of it."""
    stages = (_held(found), _written(found), _outdated(found))
    return Decision(tuple(stage for stage in stages if stage), status(found, now=now))


def revision_name(plugin: PluginView) -> str:
    """Name of the revision of a plugin as it is now."""
    return names.revision(plugin.meta.key.name, plugin.meta.uid.encode() + pack_model(present(plugin)))


def present(plugin: PluginView) -> PluginRevision:
    """All of a plugin that decides what a machine inherits."""
    spec = plugin.spec
    return PluginRevision(version=spec.version, template=spec.template, workload=spec.workload)


def status(found: PluginFound, *, now: str) -> PluginStatus:
    """Say everything that is known of a plugin."""
    plugin, before = found.plugin, found.plugin.status
    name = revision_name(plugin)
    known = any(each.meta.key.name == name for each in found.revisions)
    conditions = stamp([_ready(found)], before.conditions or [], now=now, generation=plugin.meta.generation)
    return PluginStatus(
        observed_generation=plugin.meta.generation,
        conditions=conditions,
        in_use_by=list(found.users[:NAMED_USERS]) or None,
        in_use_count=len(found.users),
        revision=name if known else before.revision,
    )


def _ready(found: PluginFound) -> Finding:
    if found.plugin.meta.deleting:
        users = ", ".join(found.users[:NAMED_USERS])
        return Finding("Ready", "False", "Terminating", f"in use by {users}" if users else "")
    if found.plugin.spec.state == "Disabled":
        return Finding("Ready", "False", "Disabled", "no machine may begin to use it")
    return Finding("Ready", "True", "AsSpecified")


def _held(found: PluginFound) -> Stage:
    """Keep the plugin from vanishing under its users; let it go when there are none, or its namespace goes."""
    meta = found.plugin.meta
    held = names.FINALIZER_PLUGIN in meta.finalizers
    if meta.deleting:
        free = found.closing or not found.users
        return (RemoveFinalizer(kinds.PLUGIN, meta, names.FINALIZER_PLUGIN),) if held and free else ()
    return () if held else (AddFinalizer(kinds.PLUGIN, meta, names.FINALIZER_PLUGIN),)


def _written(found: PluginFound) -> Stage:
    """Write down what the plugin is now."""
    plugin, name = found.plugin, revision_name(found.plugin)
    if plugin.meta.deleting or any(each.meta.key.name == name for each in found.revisions):
        return ()
    number = 1 + max((each.number for each in found.revisions), default=0)
    body = {
        "metadata": {
            "name": name,
            "namespace": plugin.meta.key.namespace,
            "labels": {names.LABEL_PLUGIN: plugin.meta.key.name},
            "ownerReferences": [_reference(plugin.meta)],
        },
        "data": present(plugin).model_dump(mode="json", by_alias=True, exclude_none=True),
        "revision": number,
    }
    return (Create(kinds.REVISION, plugin.meta.uid, body),)


def _reference(meta: Meta) -> Mapping[str, object]:
    owner: dict[str, object] = {"apiVersion": kinds.PLUGIN.api_version, "kind": kinds.PLUGIN.name}
    return owner | {"name": meta.key.name, "uid": meta.uid, "controller": True}


def _outdated(found: PluginFound) -> Stage:
    """Delete the oldest revisions that nobody is made of."""
    needed = found.pinned | {revision_name(found.plugin), found.plugin.status.revision or ""}
    idle = sorted((each for each in found.revisions if each.meta.key.name not in needed), key=_age, reverse=True)
    surplus: Iterable[Action] = (Delete(kinds.REVISION, each.meta) for each in idle[HISTORY:])
    return tuple(surplus) if not found.plugin.meta.deleting else ()


def _age(revision: Revision) -> tuple[int, str]:
    return revision.number, revision.meta.key.name
