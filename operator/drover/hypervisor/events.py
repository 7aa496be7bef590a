"""libvirt's events of guests, turned into `GuestEvent`s.

Callbacks run in libvirt's thread and must not block: they only translate and hand on.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import libvirt
from drover.state.guest import GuestEvent, GuestEventKind

T = TypeVar("T")
LOG = logging.getLogger(__name__)
Emit = Callable[[str, GuestEventKind, str], None]
"""Takes uuid, kind and detail."""

LIFECYCLE: dict[int, GuestEventKind] = {
    libvirt.VIR_DOMAIN_EVENT_DEFINED: "Defined",
    libvirt.VIR_DOMAIN_EVENT_UNDEFINED: "Undefined",
    libvirt.VIR_DOMAIN_EVENT_STARTED: "Started",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: "Suspended",
    libvirt.VIR_DOMAIN_EVENT_RESUMED: "Resumed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED: "Stopped",
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN: "Shutdown",
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: "Suspended",
    libvirt.VIR_DOMAIN_EVENT_CRASHED: "Panicked",
}
STOPPED = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: "Shutdown",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: "Destroyed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: "Crashed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED: "Saved",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: "Failed",
}
WATCHDOG = {
    libvirt.VIR_DOMAIN_EVENT_WATCHDOG_PAUSE: "Pause",
    libvirt.VIR_DOMAIN_EVENT_WATCHDOG_RESET: "Reset",
    libvirt.VIR_DOMAIN_EVENT_WATCHDOG_POWEROFF: "PowerOff",
}
AGENT: dict[int, GuestEventKind] = {
    libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED: "AgentConnected",
    libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED: "AgentDisconnected",
}


def subscribe(connection: libvirt.virConnect, emit: Emit) -> tuple[int, ...]:
    """Hand every event of every guest to `emit`; return what undoes it, one ``domainEventDeregisterAny`` each."""
    return tuple(connection.domainEventRegisterAny(None, event, callback, None) for event, callback in _callbacks(emit))


def _callbacks(emit: Emit) -> Iterator[tuple[int, Callable[..., None]]]:
    def tell(kind: GuestEventKind, *, detail: int | None = None) -> Callable[..., None]:
        """An event whose detail is one of its arguments."""
        return lambda _connection, domain, *rest: emit(_uuid(domain), kind, "" if detail is None else str(rest[detail]))

    yield (
        libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        lambda _, domain, event, detail, __: _lifecycle(emit, _uuid(domain), event, detail),
    )
    yield (
        libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
        lambda _, domain, state, __, ___: emit(_uuid(domain), AGENT[state], ""),
    )
    yield libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, tell("Rebooted")
    yield libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, tell("DeviceRemoved", detail=0)
    yield libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, tell("BlockJob", detail=0)
    yield libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, tell("IOError", detail=3)
    yield (
        libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG,
        lambda _, domain, action, __: emit(_uuid(domain), "Watchdog", WATCHDOG.get(action, "")),
    )


def _lifecycle(emit: Emit, uuid: str, event: int, detail: int) -> None:
    if event in LIFECYCLE:
        emit(uuid, LIFECYCLE[event], STOPPED.get(detail, "") if event == libvirt.VIR_DOMAIN_EVENT_STOPPED else "")


def _uuid(domain: libvirt.virDomain) -> str:
    return str(domain.UUIDString())


def receiver(deliver: Callable[[GuestEvent], None], clock: Callable[[], float]) -> Emit:
    """An `Emit` that stamps and delivers."""
    return lambda uuid, kind, detail: deliver(GuestEvent(uuid, kind, detail, clock()))


def told(listener: Callable[[T], None], news: T) -> None:
    """Tell one of several; its failure must not keep the news from the others."""
    try:
        listener(news)
    except Exception:
        LOG.exception("a listener failed", extra={"news": str(news)})
