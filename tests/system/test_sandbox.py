"""The sandbox itself: what it makes on the machine it also takes away."""

import subprocess
from pathlib import Path

import pytest
from tests.system.world import World

LOOKS = (
    ("ip", "netns", "list"),
    ("ip", "-o", "link"),
    ("ip", "-4", "route"),
    ("cat", "/proc/self/mounts"),
    ("find", "/sys/fs/cgroup", "-maxdepth", "2", "-name", "dvr*"),
    ("ls", "-d", "/opt/containerd", "/var/lib/kubelet", "/var/lib/containerd", "/var/log/pods", "/run/containerd"),
    ("ps", "-eo", "args"),
)


@pytest.mark.parametrize("kubelet", [pytest.param("Kwok", marks=pytest.mark.long), "Real"])
def test_a_sandbox_that_goes_down_leaves_nothing_behind(tmp_path: Path, kubelet: str) -> None:
    world = World(tmp_path / "box")
    before = seen()

    world.sandbox("up", "--kubelet", kubelet, "--no-drover", "--no-quickstart", "--nodes", "1")
    slot = next(line for line in seen() - before if line.startswith("dvr")).split("-")[0]
    assert world.sandbox("exec", "n1", "--", "hostname") == "n1\n"
    world.sandbox("down")

    left = [line for line in seen() - before if slot in line or str(tmp_path) in line]
    assert left == []


def seen() -> set[str]:
    """Everything on the machine that a sandbox could leave."""
    outputs = (subprocess.run(look, capture_output=True, text=True, check=False).stdout for look in LOOKS)
    return {line.split(" (id")[0] for output in outputs for line in output.splitlines()}
