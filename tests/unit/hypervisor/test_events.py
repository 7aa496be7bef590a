"""libvirt's events as ours."""

from typing import Any

import pytest

import libvirt
from drover.hypervisor.events import receiver, subscribe
from drover.state.guest import GuestEvent

UUID = "6d0e2f1c-4a8b-4a53-9c61-0d2f6c6f3a11"


class FakeDomain:
    """The guest that an event is of."""

    def UUIDString(self) -> str:  # noqa: N802
        return UUID


class FakeConnection:
    """Keeps the callbacks that libvirt would call."""

    def __init__(self) -> None:
        self.callbacks: dict[int, Any] = {}

    def domainEventRegisterAny(self, _domain: None, event: int, callback: Any, _opaque: None) -> int:  # noqa: N802
        self.callbacks[event] = callback
        return len(self.callbacks)


@pytest.mark.parametrize(
    ("event", "arguments", "expected"),
    [
        pytest.param(libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, (2, 0), ("Started", ""), id="started"),
        pytest.param(libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, (5, 5), ("Stopped", "Failed"), id="qemu-died"),
        pytest.param(libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, (5, 99), ("Stopped", ""), id="stopped-somehow"),
        pytest.param(libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, (8, 0), ("Panicked", ""), id="panicked"),
        pytest.param(libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, (1, 0), ("AgentConnected", ""), id="agent"),
        pytest.param(libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, (), ("Rebooted", ""), id="reboot"),
        pytest.param(
            libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
            ("/disk", "ua-disk-root", 1, "enospc"),
            ("IOError", "enospc"),
            id="full",
        ),
        pytest.param(
            libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
            ("ua-disk-root",),
            ("DeviceRemoved", "ua-disk-root"),
            id="device",
        ),
        pytest.param(libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, ("vda", 1, 0), ("BlockJob", "vda"), id="block-job"),
    ],
)
def test_an_event_is_told_in_words(event: int, arguments: tuple[Any, ...], expected: tuple[str, str]) -> None:
    told: list[GuestEvent] = []
    connection: Any = FakeConnection()
    subscribe(connection, receiver(told.append, lambda: 7.0))
    connection.callbacks[event](connection, FakeDomain(), *arguments, None)

    assert [(one.uuid, one.kind, one.detail, one.at) for one in told] == [(UUID, *expected, 7.0)]


def test_an_event_of_the_future_is_left_alone() -> None:
    told: list[GuestEvent] = []
    connection: Any = FakeConnection()
    subscribe(connection, receiver(told.append, lambda: 7.0))
    connection.callbacks[libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE](connection, FakeDomain(), 99, 0, None)

    assert told == []
