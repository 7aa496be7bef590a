import json
from pathlib import Path

import pytest

from drover.__main__ import main

NOWHERE = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DROVER_KUBECONFIG", "KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DROVER_LIBVIRT_URI", NOWHERE)


def test_a_node_without_libvirt_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["preflight", "--state-dir", str(tmp_path)])

    assert (code, "This node is not fit for guests" in capsys.readouterr().out) == (1, True)


def test_programs_are_told_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["preflight", "--state-dir", str(tmp_path), "--output", "json"])

    assert json.loads(capsys.readouterr().out)["fit"] is False
