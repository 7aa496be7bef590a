"""libvirt's own way with LVM, whose programs are stand-ins: kernels that tests run on lack device-mapper."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--mount-proc")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of making, copying, wiping and deleting volumes."""
    folder = tmp_path_factory.mktemp("lvm")
    inside = [sys.executable, "-m", "tests.system.lvm.inside", str(folder)]
    known = os.environ | {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}", "LVM_FOLDER": str(folder / "lvm")}
    command = ["unshare", *NAMESPACES, *inside]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, env=known, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-4000:]
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("name", "size", "data"),
    [("image", 8, MIB), ("blank", 8, 0), ("copy", 12, MIB), ("wiped", 12, 0), ("back", 8, MIB)],
)
def test_a_volume_has_what_it_is_made_from_and_nothing_that_others_left(
    found: dict[str, Any], name: str, size: int, data: int
) -> None:
    begins = "AA" if data else "\0\0"

    assert found[name] == {"size": size * MIB, "begins": begins, "data": data, "left": False}


def test_a_group_is_counted_filled_and_left(found: dict[str, Any]) -> None:
    assert (found["capacity"], found["full"]) == (64 * MIB, "PoolFull")
    assert sorted(found["volumes"]) == ["back", "blank", "image"]
    assert (found["left"], found["active"]) == ([], True)
