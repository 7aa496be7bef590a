"""Serial logs stay short, however much a guest says."""

import os
import threading
from pathlib import Path

import pytest

from drover.hypervisor.logs import KEPT_BYTES, LIMIT_BYTES, Logs

UUID = "6d0e2f1c-4a8b-4a53-9c61-0d2f6c6f3a11"


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    logs = Logs(tmp_path / "logs")
    logs.prepare()
    return logs


def test_the_end_of_a_long_log_is_kept(logs: Logs) -> None:
    logs.path(UUID).write_bytes(b"old" * LIMIT_BYTES + b"the end")
    logs.trim()

    assert logs.path(UUID).stat().st_size == KEPT_BYTES
    assert logs.path(UUID).read_bytes().endswith(b"oldthe end")


def test_a_log_within_its_bounds_is_left_alone(logs: Logs) -> None:
    logs.path(UUID).write_bytes(bytes(LIMIT_BYTES))
    logs.trim()

    assert logs.path(UUID).stat().st_size == LIMIT_BYTES


def test_a_writer_that_appends_goes_on_after_the_cut(logs: Logs) -> None:
    writer = os.open(logs.path(UUID), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(writer, bytes(LIMIT_BYTES + 1))
    logs.trim()
    os.write(writer, b"and on")
    os.close(writer)

    assert logs.path(UUID).stat().st_size == KEPT_BYTES + len(b"and on")


def test_a_noisy_guest_stays_bounded(logs: Logs) -> None:
    writer = os.open(logs.path(UUID), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    noise = threading.Thread(target=lambda: [os.write(writer, b"noise" * 200) for _ in range(20_000)])
    noise.start()
    while noise.is_alive():
        logs.trim()
    logs.trim()
    os.close(writer)

    assert logs.path(UUID).stat().st_size <= LIMIT_BYTES


def test_a_link_in_place_of_a_log_is_not_followed(logs: Logs, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(bytes(2 * LIMIT_BYTES))
    logs.path(UUID).symlink_to(tmp_path / "precious")
    logs.trim()

    assert (tmp_path / "precious").stat().st_size == 2 * LIMIT_BYTES


def test_a_removed_log_may_be_removed_again(logs: Logs) -> None:
    logs.path(UUID).write_bytes(b"x")
    logs.remove(UUID)
    logs.remove(UUID)

    assert not logs.path(UUID).exists()
