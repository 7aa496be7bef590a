"""libvirt's states as words."""

import pytest

import libvirt
from drover.hypervisor.states import observed


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        pytest.param(libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED, ("Running", "Booted"), id="runs"),
        pytest.param(libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER, ("Paused", "User"), id="paused"),
        pytest.param(libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR, ("Paused", "IOError"), id="full"),
        pytest.param(
            libvirt.VIR_DOMAIN_SHUTDOWN, libvirt.VIR_DOMAIN_SHUTDOWN_USER, ("Running", "ShuttingDown"), id="ends"
        ),
        pytest.param(libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN, ("Off", "Shutdown"), id="off"),
        pytest.param(libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, ("Off", "Crashed"), id="crashed"),
        pytest.param(libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SAVED, ("Off", "Saved"), id="saved"),
        pytest.param(libvirt.VIR_DOMAIN_SHUTOFF, 99, ("Off", "Unknown"), id="a-reason-of-the-future"),
        pytest.param(99, 0, ("Running", "Unknown"), id="a-state-of-the-future-is-not-taken-for-off"),
    ],
)
def test_a_state_is_told_in_words(state: int, reason: int, expected: tuple[str, str]) -> None:
    assert observed(state, reason) == expected
