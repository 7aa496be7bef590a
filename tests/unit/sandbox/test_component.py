from pathlib import Path

from drover.sandbox import component
from drover.sandbox.component import Component

AGENT = Component(
    name="agent-n1",
    command=("python", "-m", "drover", "agent"),
    environment=(("A", "1"), ("B", "2")),
    node="n1",
    cgroup="dvr1-n1",
)
NODE = Component(name="n1", command=("boot",), host=True, ready_file="/r", cleanup=("off", "n1"), grace=0.0)


def test_components_survive_the_way_through_a_file(tmp_path: Path) -> None:
    component.save(tmp_path / "c.json", [AGENT, NODE])

    assert component.load(tmp_path / "c.json") == (AGENT, NODE)


def test_no_file_lists_no_components(tmp_path: Path) -> None:
    assert component.load(tmp_path / "none.json") == ()


def test_only_nodes_and_what_lives_in_them_are_contained() -> None:
    assert AGENT.contained
    assert NODE.contained
    assert not Component(name="etcd", command=("etcd",)).contained
