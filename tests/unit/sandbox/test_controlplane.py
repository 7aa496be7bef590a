from pathlib import Path

import pytest

from drover.sandbox import controlplane
from drover.sandbox.component import Component
from drover.sandbox.layout import Layout

ONE, OTHER = Layout(Path("/one"), 1), Layout(Path("/other"), 2)


def listens(component: Component) -> set[str]:
    words = ("listen-client-urls", "listen-peer-urls", "bind-address", "server-address")
    flags = (word.removeprefix("--").split("=", 1) for word in component.command[1:])
    return {value for name, value in flags if name in words}


def everything(layout: Layout) -> tuple[Component, ...]:
    return (*controlplane.servers(layout), *controlplane.clients(layout))


def test_two_sandboxes_listen_on_addresses_of_their_own() -> None:
    for one, other in zip(everything(ONE), everything(OTHER), strict=True):
        assert listens(one)
        assert not listens(one) & listens(other)


@pytest.mark.parametrize(
    "flag",
    [
        "--authorization-mode=Node,RBAC",
        "--audit-log-path=/one/logs/audit.log",
        "--tls-cert-file=/one/pki/apiserver.crt",
    ],
)
def test_the_api_server_is_a_real_one(flag: str) -> None:
    assert flag in controlplane.apiserver(ONE).command


def test_nothing_of_the_control_plane_needs_a_polite_stop() -> None:
    assert {item.grace for item in everything(ONE)} == {0.0}
