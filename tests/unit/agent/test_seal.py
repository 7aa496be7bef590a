"""Sealing a copy of a disk, with stand-ins for virt-sysprep that edit the file, fail or hang."""

import asyncio
import os
from pathlib import Path

import pytest

from drover.agent import seal
from drover.agent.seal import Sealer, Sealing
from drover.errors import NotReady, Retryable

PATHS = "/usr/bin:/bin"
EDITS = """#!/bin/sh
for last; do :; done
echo "$@" >>{folder}/words
env >{folder}/variables
ulimit -c >{folder}/core
touch "$TMPDIR/on-the-way"
echo sealed >"$last"
"""
HANGS = """#!/bin/sh
sleep 600 >{folder}/alive &
wait
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which virt-sysprep may be."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "disk.qcow2").write_text("identity\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{PATHS}")
    return tmp_path


def install(folder: Path, script: str) -> None:
    """Put something in the place of virt-sysprep."""
    program = folder / "bin" / "virt-sysprep"
    program.write_text(script.format(folder=folder))
    program.chmod(0o755)


def make_order(folder: Path, *, kvm: bool = False) -> Sealing:
    return Sealing(folder / "disk.qcow2", 1 << 20, folder / "seal", kvm=kvm)


async def test_a_copy_is_sealed_where_it_is_and_nothing_else_is_left(path: Path) -> None:
    install(path, EDITS)
    (path / "seal" / "scratch" / "of-an-agent-that-died").mkdir(parents=True)

    await Sealer().seal(make_order(path))

    assert (path / "disk.qcow2").read_text() == "sealed\n"
    assert [each.name for each in (path / "seal").iterdir()] == ["appliance"]


async def test_the_command_has_no_network_and_knows_nothing_of_the_agent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(path, EDITS)
    monkeypatch.setenv("DROVER_TOKEN", "secret")
    monkeypatch.setenv("LIBGUESTFS_PATH", "/appliance")

    await Sealer().seal(make_order(path))

    variables, words = (path / "variables").read_text(), (path / "words").read_text()
    assert {"LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_PATH=/appliance"} <= set(variables.splitlines())
    assert "DROVER" not in variables
    assert ("--no-network" in words, "machine-id" in words, "--run" in words) == (True, True, False)
    assert (path / "core").read_text() == "0\n"


@pytest.mark.parametrize(("kvm", "forced"), [(True, False), (False, True)])
def test_kvm_is_left_alone_where_it_does_not_work(tmp_path: Path, kvm: bool, forced: bool) -> None:  # noqa: FBT001
    variables = seal.environment(make_order(tmp_path, kvm=kvm))
    assert (variables.get("LIBGUESTFS_BACKEND_SETTINGS") == "force_tcg") is forced


def test_the_machine_id_is_emptied_after_what_would_fill_it() -> None:
    first, last = ([*words] for words in seal.commands(Path("/disk")))
    assert ("customize" in first, "machine-id" in last[last.index("--operations") + 1]) == (True, True)


async def test_when_the_first_command_fails_there_is_no_second(path: Path) -> None:
    install(path, "#!/bin/sh\necho >>{folder}/words\nexit 1\n")

    with pytest.raises(Retryable, match="ended with 1"):
        await Sealer().seal(make_order(path))

    assert (path / "words").read_text() == "\n"


async def test_without_the_program_the_package_is_named(path: Path) -> None:
    with pytest.raises(NotReady, match="guestfs-tools") as caught:
        await Sealer().seal(make_order(path))

    assert caught.value.reason == "SealUnsupported"
    assert (path / "disk.qcow2").read_text() == "identity\n"


async def test_what_the_command_says_at_the_end_is_told(path: Path) -> None:
    install(path, "#!/bin/sh\necho 'virt-sysprep: error: no operating systems were found' >&2\necho bye\nexit 1\n")

    with pytest.raises(Retryable, match=r"^virt-sysprep: no operating systems were found$") as caught:
        await Sealer().seal(make_order(path))

    assert (caught.value.reason, caught.value.delay) == ("SealFailed", seal.FAILED_SECONDS)


async def test_what_hangs_is_ended_with_all_that_it_started(path: Path) -> None:
    install(path, HANGS)
    os.mkfifo(path / "alive")
    dead = asyncio.create_task(asyncio.to_thread((path / "alive").read_text))

    with pytest.raises(Retryable, match="did not come to an end"):
        await Sealer(seconds=1).seal(make_order(path))

    async with asyncio.timeout(10):
        await dead


async def test_a_node_without_room_for_the_appliance_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(path, EDITS)
    full = os.statvfs_result((4096, 4096, 1 << 20, 0, 0, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)

    with pytest.raises(Retryable) as caught:
        await Sealer().seal(make_order(path))

    assert caught.value.reason == "NoSpace"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        pytest.param(b"", "it ended with 3", id="nothing"),
        pytest.param(b"one\ntwo\n\n", "two", id="the last line"),
        pytest.param(
            b"virt-sysprep: error: \x1b[31mred\xff", "?[31mred\N{REPLACEMENT CHARACTER}", id="what is not to be shown"
        ),
        pytest.param(b"x" * 5000, "x" * seal.WORDS, id="too much"),
    ],
)
def test_what_is_told_is_short_and_can_be_shown(output: bytes, said: str) -> None:
    assert seal.complaint(output, 3) == said


async def test_of_endless_output_the_end_is_kept(path: Path) -> None:
    install(path, "#!/bin/sh\nhead -c 2000000 /dev/zero | tr '\\0' x\necho\necho 'virt-sysprep: error: late'\nexit 1\n")

    with pytest.raises(Retryable, match="virt-sysprep: late"):
        await Sealer().seal(make_order(path))
