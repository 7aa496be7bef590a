from pathlib import Path

import pytest

from drover.sandbox import node
from drover.sandbox.layout import DATA, Layout

BOX = Layout(Path("/box"), 3)


def test_a_node_knows_itself_its_neighbours_and_the_image_server() -> None:
    lines = node.hosts_file(BOX, BOX.node(2)).splitlines()

    assert "10.213.3.2 n2" in lines
    assert "10.213.3.8 n8" in lines
    assert "10.213.3.254 images.drover.internal" in lines


def test_no_two_nodes_share_a_host_uuid() -> None:
    boxes = [Layout(Path("/box"), slot) for slot in (1, 2)]
    uuids = [node.host_uuid(box, item) for box in boxes for item in box.nodes(8)]

    assert len(set(uuids)) == 16


def test_libvirtd_lives_in_the_node_and_the_node_is_cleared_away_after_its_end() -> None:
    host, libvirtd = node.components(BOX, BOX.node(1))

    assert (host.host, host.node, libvirtd.node) == (True, "", "n1")
    assert host.cleanup[:2] == ("bash", str(DATA / "node-off.sh"))
    assert host.ready_file == "/box/nodes/n1/run/ready"


def test_the_machine_is_plugged_into_the_switch() -> None:
    assert node.fabric_commands(BOX) == (
        "netns add dvr3-sw",
        "link add dvr3r0 type veth peer name uplink netns dvr3-sw",
        "address add 10.213.3.254/24 dev dvr3r0",
        "link set dvr3r0 up",
    )


def test_what_was_learnt_of_qemu_is_used_by_the_next_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drover.sandbox.layout.REGISTRY", tmp_path / "registry")
    box = Layout(tmp_path / "box", 3)
    node.furnish(box, box.node(1), tmp_path / "known")
    learnt = box.node(1).root / "cache" / "qemu" / "capabilities"
    learnt.mkdir(parents=True)
    (learnt / "a.xml").write_text("<qemu/>")
    node.remember_capabilities(box.node(1), tmp_path / "known")

    node.furnish(box, box.node(2), tmp_path / "known")
    assert (box.node(2).root / "cache" / "qemu" / "capabilities" / "a.xml").read_text() == "<qemu/>"
