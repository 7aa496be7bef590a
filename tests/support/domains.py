"""Builders of Domains and of guests, for tests of the node's side."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from drover.api.domain import DomainSpec, DomainStatus, DomainTimeline
from drover.api.virtualmachine import LastStop
from drover.planning import live, names
from drover.planning import record as records
from drover.planning.domain_seen import Seen
from drover.planning.restart import BackOff
from drover.planning.view import DomainView, View
from drover.state.guest import Guest, Record, Stopping
from drover.state.resource import Key, Meta

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BOOT = "boot-1"
UID = "6f1a0c9e-0000-4000-8000-000000000001"
BACK_OFF = BackOff()
DISK = {"name": "root", "volume": "web.root", "volumeUid": "vol-1", "pool": "default", "sizeBytes": 1 << 30}
NIC = {"name": "default", "network": "default", "mac": "02:00:00:00:00:01", "ip": "10.20.0.10"}


def make_meta(**changes: Any) -> Meta:
    """Metadata of a Domain that is wanted and waits for its agent."""
    base = Meta(
        key=Key("shop", "web-1"),
        uid="domain-uid",
        resource_version="7",
        generation=3,
        created="2026-11-21T11:00:00Z",
        deleting="",
        finalizers=(names.FINALIZER_AGENT,),
        owner=UID,
        labels=(),
        annotations=(),
        manager="drover-controller",
    )
    return replace(base, **changes)


def make_spec(**changes: Any) -> DomainSpec:
    """A machine with a disk and an interface that should run; `changes` in the API's words."""
    content: dict[str, Any] = {
        "nodeName": "n1",
        "virtualMachine": {"name": "web", "uid": UID},
        "uuid": UID,
        "epoch": 1,
        "powerState": "Running",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 60,
        "actor": "kubectl",
        "machine": {"cores": 1, "memoryBytes": 128 << 20},
        "disks": [DISK],
        "interfaces": [NIC],
    }
    return DomainSpec.model_validate(content | changes)


def make_order(meta: Mapping[str, Any] | None = None, status: DomainStatus | None = None, **spec: Any) -> DomainView:
    """A Domain as the agent reads it."""
    return View(make_meta(**(meta or {})), make_spec(**spec), status or DomainStatus())


def make_record(**changes: Any) -> Record:
    """Record of a guest that was started on this boot and seen to run."""
    spec = make_spec()
    blank = records.fresh("shop", "web-1", spec)
    running = replace(
        blank,
        boot_id=BOOT,
        last_start="2026-11-21T11:30:00Z",
        live=live.machine(spec),
        timeline=DomainTimeline(started="2026-11-21T11:30:00Z"),
    )
    return replace(running, **changes)


def make_off(reason: Any = "Requested", **changes: Any) -> Record:
    """Record of a guest whose last stop was written down."""
    stop = LastStop(reason=reason, time="2026-11-21T11:59:00Z")
    return make_record(**{"live": None, "timeline": None, "last_stop": stop} | changes)


def make_guest(state: Any = "Running", reason: Any = "Booted", record: Record | None = None, **changes: Any) -> Guest:
    """A guest as libvirt has it."""
    base = Guest(
        UID, "shop.web", state, reason, persistent=True, has_managed_save=False, record=record or make_record()
    )
    return replace(base, **changes)


def make_seen(guest: Guest | None = None, **changes: Any) -> Seen:
    """What the agent knows, with the API read in full."""
    return replace(Seen(guest=guest, boot_id=BOOT, now=NOW, primed=True, back_off=BACK_OFF), **changes)


def stopping(**changes: Any) -> Stopping:
    """A stop that was begun."""
    return replace(Stopping("Requested", "kubectl", "2026-11-21T11:59:30Z"), **changes)
