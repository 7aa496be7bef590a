"""Networks of the host: made anew only when nobody uses them, and no lease of a former guest stands in the way."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.fake_libvirt import FakeLibvirt, FakeNetwork
from tests.unit.translation.test_network import RESERVATION, make_spec

import libvirt
from drover.errors import Busy
from drover.hypervisor import leases, network
from drover.translation import dhcp

NAME = "drover-shop"
OTHER_MAC = "02:00:00:00:00:02"
ALIVE = str(os.getpid())
DEADLINE = 5.0


@pytest.fixture
def connection() -> Any:
    return FakeLibvirt()


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where process ids of dnsmasqs are; this process stands in for the one that runs."""
    monkeypatch.setattr(leases, "RUNTIME", tmp_path)
    (tmp_path / f"{NAME}.pid").write_text(ALIVE)
    monkeypatch.setattr(leases, "PROC", tmp_path)
    (tmp_path / ALIVE).mkdir()
    (tmp_path / ALIVE / "cmdline").write_text(f"/usr/sbin/dnsmasq\0--conf-file=/{NAME}.conf\0")
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A DHCP server to speak to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(DEADLINE)
        monkeypatch.setattr(dhcp, "SERVER_PORT", listener.getsockname()[1])
        yield listener


def ensured(connection: Any, folder: Path, gateway: str = "10.20.0.1") -> FakeNetwork:
    network.ensure(connection, "shop", make_spec(gateway=gateway), folder / "shop")
    found: FakeNetwork = connection.networks[NAME]
    return found


def test_our_networks_are_listed_by_the_names_that_they_have_with_us(connection: Any, tmp_path: Path) -> None:
    ensured(connection, tmp_path)

    assert network.names(connection) == ("shop",)


def test_a_network_is_defined_and_started_with_its_directories(connection: Any, tmp_path: Path) -> None:
    assert ensured(connection, tmp_path).active
    assert sorted(path.name for path in (tmp_path / "shop").iterdir()) == ["hosts", "names"]


def test_a_network_that_is_as_wanted_is_left_alone(connection: Any, tmp_path: Path) -> None:
    assert ensured(connection, tmp_path) is ensured(connection, tmp_path)


def test_a_network_that_is_off_after_a_boot_is_started(connection: Any, tmp_path: Path) -> None:
    first = ensured(connection, tmp_path)
    first.active = False

    assert ensured(connection, tmp_path) is first
    assert first.active


def test_a_changed_network_that_nobody_uses_is_made_anew(connection: Any, tmp_path: Path) -> None:
    first = ensured(connection, tmp_path)
    second = ensured(connection, tmp_path, "10.20.0.254")

    assert (first.active, first.undefined, second.active) == (False, True, True)


def test_a_changed_network_in_use_is_left_as_it_is(connection: Any, tmp_path: Path) -> None:
    first = ensured(connection, tmp_path)
    first.ports = ["a guest"]
    with pytest.raises(Busy) as caught:
        ensured(connection, tmp_path, "10.20.0.254")

    assert caught.value.reason == "NetworkInUse"
    assert first.active


def test_a_network_whose_server_died_gets_a_new_one(connection: Any, tmp_path: Path, runtime: Path) -> None:
    ensured(connection, tmp_path)
    (runtime / f"{NAME}.pid").unlink()

    assert ensured(connection, tmp_path).updates == [
        libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST,
        libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE,
    ]


def test_a_network_can_be_removed_twice(connection: Any, tmp_path: Path) -> None:
    first = ensured(connection, tmp_path)
    network.remove(connection, "shop")
    network.remove(connection, "shop")

    assert (first.active, first.undefined) == (False, True)


def test_a_reservation_of_a_network_that_is_not_up_is_kept_for_later(connection: Any, tmp_path: Path) -> None:
    network.reserve(connection, "shop", tmp_path / "shop", "shop.internal", RESERVATION)

    assert leases.Leases("shop", tmp_path / "shop").reserved() == ((RESERVATION.mac, RESERVATION.ip),)


@pytest.mark.parametrize("verb", ["reserve", "release"])
def test_a_lease_that_stands_in_the_way_is_given_back(
    connection: Any, tmp_path: Path, server: socket.socket, verb: str
) -> None:
    document = '<network><bridge name="lo"/><ip address="127.0.0.1" prefix="0"/></network>'
    lease = {"mac": OTHER_MAC, "ipaddr": RESERVATION.ip}
    connection.networks[NAME] = FakeNetwork(document, active=True, leases=[lease])
    if verb == "reserve":
        network.reserve(connection, "shop", tmp_path / "shop", "shop.internal", RESERVATION)
    else:
        network.release(connection, "shop", tmp_path / "shop", OTHER_MAC)

    assert server.recv(1024) == dhcp.release(OTHER_MAC, RESERVATION.ip, "127.0.0.1")


def test_a_lease_of_the_guest_itself_is_its_own(connection: Any, tmp_path: Path) -> None:
    own = {"mac": RESERVATION.mac, "ipaddr": RESERVATION.ip}
    connection.networks[NAME] = FakeNetwork("<network/>", active=True, leases=[own])

    network.reserve(connection, "shop", tmp_path / "shop", "shop.internal", RESERVATION)


def test_for_a_name_alone_libvirt_is_not_asked(tmp_path: Path) -> None:
    nobody: Any = None

    network.reserve(nobody, "shop", tmp_path / "shop", "shop.internal", replace(RESERVATION, silent=True))

    assert leases.Leases("shop", tmp_path / "shop").known() == (RESERVATION.mac,)
