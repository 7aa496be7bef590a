import pytest

from drover.planning import libvirt_trouble

MISSING = "Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory"


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (MISSING, "SocketMissing"),
        ("Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied", "SocketForbidden"),
        ("authentication unavailable: no polkit agent available", "SocketForbidden"),
        ("Failed to connect socket to '/var/run/libvirt/libvirt-sock': Connection refused", "LibvirtStopped"),
        ("the connection was lost", "LibvirtUnavailable"),
    ],
)
def test_what_libvirt_says_has_a_reason_in_one_word(trouble: str, reason: str) -> None:
    assert libvirt_trouble.reason(trouble) == reason


def test_known_trouble_comes_with_what_to_do() -> None:
    assert libvirt_trouble.explain(MISSING).startswith(f"{MISSING}; install and start libvirtd")


def test_unknown_trouble_is_told_as_libvirt_tells_it() -> None:
    assert libvirt_trouble.explain("the connection was lost") == "the connection was lost"


def test_unknown_trouble_is_looked_up_in_the_log() -> None:
    assert libvirt_trouble.advice("odd") == "read libvirtd's log on the node"
