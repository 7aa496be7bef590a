import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from drover.sandbox import process
from drover.sandbox.process import Identity


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, process.MARK: "9:/nowhere"}
    with subprocess.Popen(["sleep", "60"], env=environment) as child:
        yield child
        child.kill()


def identity_of(child: subprocess.Popen[bytes]) -> Identity:
    found = process.identify(child.pid)
    assert found is not None
    return found


def test_a_recycled_pid_is_another_process() -> None:
    own = process.myself()

    assert own.alive()
    assert not Identity(own.pid, own.started - 1).alive()


def test_a_recycled_pid_is_never_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    found = identity_of(sleeper)

    assert not Identity(found.pid, found.started - 1).signal(signal.SIGKILL)
    assert found.alive()


async def test_the_end_of_a_process_is_noticed(sleeper: subprocess.Popen[bytes]) -> None:
    found = identity_of(sleeper)
    waiting = asyncio.create_task(found.ended())

    assert found.signal(signal.SIGKILL)
    await asyncio.wait_for(waiting, 5)
    assert not found.alive()


async def test_a_process_that_is_gone_has_ended() -> None:
    gone = Identity(pid=2**22 - 1, started=1)

    await asyncio.wait_for(gone.ended(), 5)
    assert not gone.signal(signal.SIGKILL)


def test_processes_are_found_by_their_mark(sleeper: subprocess.Popen[bytes]) -> None:
    assert process.marked("9:/nowhere") == (identity_of(sleeper),)
    assert process.marked("9:/elsewhere") == ()


def test_a_pid_file_names_a_process_only_while_it_lives(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path = tmp_path / "x.pid"
    found = identity_of(sleeper)
    process.write(path, found, "remark")
    assert process.read(path) == found

    sleeper.kill()
    sleeper.wait()
    assert process.read(path) is None


def test_a_missing_or_empty_pid_file_names_nobody(tmp_path: Path) -> None:
    (tmp_path / "empty.pid").touch()

    assert process.read(tmp_path / "none.pid") is None
    assert process.read(tmp_path / "empty.pid") is None


def test_children_are_seen(sleeper: subprocess.Popen[bytes]) -> None:
    assert sleeper.pid in process.children(os.getpid())
    assert process.children(2**22 - 1) == ()
