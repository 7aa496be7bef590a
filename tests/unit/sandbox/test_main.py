import json
import os
from pathlib import Path

import pytest
import typer

from drover.sandbox import __main__ as command
from drover.sandbox import control, lifecycle, settings
from drover.sandbox.component import Report
from drover.sandbox.layout import Layout
from drover.sandbox.settings import Settings


def test_a_sandbox_that_is_not_up_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["status", "--state-dir", str(tmp_path)]) == 1
    assert "no sandbox is up at" in capsys.readouterr().err


def test_taking_down_what_is_not_up_is_no_error(tmp_path: Path) -> None:
    assert command.main(["down", "--state-dir", str(tmp_path / "none")]) == 0


def test_taking_down_leaves_files_that_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    (tmp_path / "etcd").mkdir()

    assert command.main(["down", "--state-dir", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_wrong_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["up", "--nodes", "99"]) == 2
    assert "--nodes" in capsys.readouterr().err


def test_environment_is_given_in_pairs() -> None:
    assert command._pairs(["A=1", "B=x=y"]) == {"A": "1", "B": "x=y"}
    with pytest.raises(typer.BadParameter, match="NAME=VALUE"):
        command._pairs(["A"])


def test_the_state_directory_may_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROVER_SANDBOX_DIR", "/elsewhere")

    assert control.default_state() == Path("/elsewhere")


def test_a_status_is_good_for_programs(tmp_path: Path) -> None:
    layout = Layout(tmp_path, 3)
    settings.save(layout, Settings(nodes=1))

    told = json.loads(json.dumps(command.describe(layout, (Report("etcd", "running", 7, 0),))))
    assert told["nodes"][0]["address"] == "10.213.3.1"
    assert told["components"][0] == {"name": "etcd", "state": "running", "pid": 7, "restarts": 0, "node": ""}


def test_only_drovers_own_processes_are_reloaded() -> None:
    names = ["etcd", "kube-controller-manager", "n1", "controller", "controller-2", "agent-n1", "libvirtd-n1"]

    ours = [name for name in names if control.is_drover(Report(name, "running", 1, 0))]
    assert ours == ["controller", "controller-2", "agent-n1"]


def test_root_is_needed_and_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert command.main(["up", "--state-dir", str(tmp_path)]) == 1
    assert "needs root" in capsys.readouterr().err


def test_missing_programs_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(lifecycle, "TOOLS", ("sh", "no-such-tool"))

    assert command.main(["up", "--state-dir", str(tmp_path)]) == 1
    assert "no-such-tool" in capsys.readouterr().err
