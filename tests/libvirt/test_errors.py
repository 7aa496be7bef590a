"""The table that turns libvirt's errors into ours."""

import pytest
from tests.support.fake_libvirt import make_error

import libvirt
from drover.errors import Busy, Retryable, Unavailable, Unsupported
from drover.hypervisor.errors import HypervisorFault, convert, converted, found, host_trouble

LOST = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param((libvirt.VIR_ERR_NO_DOMAIN,), Busy, id="vanished-meanwhile"),
        pytest.param((libvirt.VIR_ERR_RESOURCE_BUSY,), Busy, id="busy"),
        pytest.param((libvirt.VIR_ERR_OPERATION_TIMEOUT,), Busy, id="time-out"),
        pytest.param((libvirt.VIR_ERR_OPERATION_INVALID,), Busy, id="another-state"),
        pytest.param((libvirt.VIR_ERR_NO_CONNECT,), Unavailable, id="no-connection"),
        pytest.param((libvirt.VIR_ERR_AGENT_UNRESPONSIVE,), Unavailable, id="guest-agent"),
        pytest.param(LOST, Unavailable, id="connection-lost"),
        pytest.param((libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC), Unavailable, id="socket-closed"),
        pytest.param((libvirt.VIR_ERR_CONFIG_UNSUPPORTED,), Unsupported, id="unsupported"),
        pytest.param((libvirt.VIR_ERR_NO_SUPPORT,), Unsupported, id="driver-lacks-it"),
        pytest.param((libvirt.VIR_ERR_XML_ERROR,), HypervisorFault, id="our-own-document"),
        pytest.param((libvirt.VIR_ERR_INTERNAL_ERROR,), HypervisorFault, id="anything-else"),
    ],
)
def test_an_error_becomes_one_of_ours(error: tuple[int, ...], kind: type[Exception]) -> None:
    ours = convert(make_error(*error))

    assert type(ours) is kind


def test_no_error_of_libvirt_gets_out() -> None:
    with pytest.raises(Busy), converted():
        raise make_error(libvirt.VIR_ERR_RESOURCE_BUSY)


@pytest.mark.parametrize(
    "code", [libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_NO_NETWORK]
)
def test_what_is_not_there_is_none(code: int) -> None:
    def look() -> str:
        raise make_error(code)

    assert found(look) is None


def test_a_look_up_passes_other_errors_on() -> None:
    def look() -> str:
        raise make_error(*LOST)

    with pytest.raises(libvirt.libvirtError):
        found(look)


def test_trouble_of_the_host_is_tried_again_under_its_reason() -> None:
    with pytest.raises(Retryable) as caught, host_trouble("StartFailed"):
        raise make_error(libvirt.VIR_ERR_INTERNAL_ERROR)

    assert caught.value.reason == "StartFailed"


def test_a_lost_connection_is_not_taken_for_trouble_of_the_host() -> None:
    with pytest.raises(libvirt.libvirtError), host_trouble("StartFailed"):
        raise make_error(*LOST)
