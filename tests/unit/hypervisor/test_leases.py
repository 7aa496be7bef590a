"""Reservations as files: what dnsmasq finds, and when it must be told."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from drover.hypervisor.leases import Leases
from drover.state.host import Reservation

ZONE = "shop.internal"
DNSMASQ = ("/usr/sbin/dnsmasq", "--conf-file=/dnsmasq/drover-shop.conf", "--leasefile-ro", "")
WEB = Reservation("02:00:00:00:00:01", "10.20.0.5", "shop", "web")
HEIR = Reservation("02:00:00:00:00:02", "10.20.0.5", "shop", "heir")
OTHER = Reservation("02:00:00:00:00:03", "10.20.0.6", "shop", "other")


@pytest.fixture
def told() -> Iterator[list[int]]:
    """SIGHUPs that reach dnsmasq, for which this process stands in."""
    heard: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _frame: heard.append(number))
    yield heard
    signal.signal(signal.SIGHUP, before)


def runs(folder: Path, *command: str) -> None:
    """Make this process look as if it ran a command."""
    path = folder / "proc" / str(os.getpid()) / "cmdline"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\0".join(command))


@pytest.fixture
def leases(tmp_path: Path) -> Leases:
    (tmp_path / "drover-shop.pid").write_text(f"{os.getpid()}\n")
    runs(tmp_path, *DNSMASQ)
    leases = Leases("shop", tmp_path / "networks" / "shop", tmp_path, tmp_path / "proc")
    leases.prepare()
    return leases


def files(leases: Leases) -> dict[str, str]:
    found = (path for path in leases.directory.rglob("*") if path.is_file())
    return {str(path.relative_to(leases.directory)): path.read_text() for path in found}


def test_a_reservation_is_two_files_that_dnsmasq_reads_by_itself(leases: Leases, told: list[int]) -> None:
    leases.reserve(WEB, ZONE)

    assert files(leases) == {
        "hosts/02-00-00-00-00-01": "02:00:00:00:00:01,10.20.0.5,web\n",
        "names/02-00-00-00-00-01": "10.20.0.5 web.shop.shop.internal\n",
    }
    assert told == []


def test_reserving_twice_writes_nothing_the_second_time(leases: Leases, told: list[int]) -> None:
    leases.reserve(WEB, ZONE)
    before = (leases.directory / "hosts" / "02-00-00-00-00-01").stat()
    leases.reserve(WEB, ZONE)

    after = (leases.directory / "hosts" / "02-00-00-00-00-01").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert told == []


def test_an_address_has_one_owner(leases: Leases, told: list[int]) -> None:
    leases.reserve(WEB, ZONE)
    leases.reserve(OTHER, ZONE)
    leases.reserve(HEIR, ZONE)

    assert sorted(leases.reserved()) == [(HEIR.mac, HEIR.ip), (OTHER.mac, OTHER.ip)]
    assert told == [signal.SIGHUP]


def test_a_released_reservation_is_forgotten_by_dnsmasq_too(leases: Leases, told: list[int]) -> None:
    leases.reserve(WEB, ZONE)
    leases.release(WEB.mac)

    assert files(leases) == {}
    assert told == [signal.SIGHUP]


def test_releasing_what_is_not_reserved_disturbs_nobody(leases: Leases, told: list[int]) -> None:
    leases.release(WEB.mac)

    assert told == []


@pytest.mark.parametrize(
    ("content", "alive"),
    [
        pytest.param(f"{os.getpid()}\n", True, id="runs"),
        pytest.param("4194305\n", False, id="ended"),
        pytest.param("", False, id="starts"),
        pytest.param(None, False, id="never-ran"),
    ],
)
def test_a_dnsmasq_is_alive_when_its_process_is(leases: Leases, content: str | None, *, alive: bool) -> None:
    path = leases.runtime / "drover-shop.pid"
    path.unlink() if content is None else path.write_text(content)

    assert leases.alive() is alive


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("/usr/bin/sshd", "-D"), id="another-program"),
        pytest.param(("/usr/sbin/dnsmasq", "--conf-file=/dnsmasq/drover-other.conf"), id="another-network"),
        pytest.param(("vi", "/dnsmasq/drover-shop.conf"), id="its-editor"),
        pytest.param((), id="zombie"),
    ],
)
def test_a_stranger_that_has_the_number_of_a_dead_dnsmasq_is_left_alone(
    leases: Leases, told: list[int], tmp_path: Path, command: tuple[str, ...]
) -> None:
    runs(tmp_path, *command)
    leases.reserve(WEB, ZONE)
    leases.release(WEB.mac)

    assert not leases.alive()
    assert told == []
