import json
from pathlib import Path

import pytest
import yaml

from drover.errors import InvalidSpec, Unsupported
from drover.sandbox import lifecycle, node, realnode, settings
from drover.sandbox.layout import Layout
from drover.sandbox.settings import Settings

BOX = Layout(Path("/box"), 3)


@pytest.fixture
def box(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "box", 3)
    realnode.furnish(made, made.node(2), "localhost/pause:1")
    return made


def test_the_pods_of_a_node_have_addresses_of_their_own() -> None:
    boxes = [Layout(Path("/box"), slot) for slot in range(251)]
    subnets = [item.pods for box in boxes for item in box.nodes(8)]

    assert len(set(subnets)) == 251 * 8
    assert not any(subnet.overlaps(boxes[0].vm_network) for subnet in subnets)


def test_the_machine_and_every_other_node_find_the_pods_of_a_node() -> None:
    assert realnode.route_commands(BOX, 1) == "route replace 10.240.24.0/24 via 10.213.3.1 dev dvr3r0\n"
    assert "route add 10.240.24.0/24 via 10.213.3.1\n" in node.pod_routes(BOX, BOX.node(2))
    assert "10.213.3.2\n" not in node.pod_routes(BOX, BOX.node(2))


def test_pods_get_their_addresses_from_the_range_of_their_node(box: Layout) -> None:
    plugins = json.loads((box.node(2).root / "kubernetes/cni/pods.conflist").read_text())["plugins"]

    assert plugins[0]["ipam"]["ranges"] == [[{"subnet": str(box.node(2).pods)}]]


@pytest.mark.parametrize("name", ["kubelet.yaml", "kube-proxy.yaml"])
def test_a_configuration_is_filled_in(box: Layout, name: str) -> None:
    text = (box.node(2).root / "kubernetes" / name).read_text()

    assert "$" not in text
    assert yaml.safe_load(text)["kind"].endswith("Configuration")


def test_a_kubelet_tells_the_boot_of_its_own_node() -> None:
    kubelet = realnode.components(BOX, BOX.node(1))[1]

    assert "--boot-id-file=/run/drover-boot-id" in kubelet.command
    assert "--node-labels=drover.dev/hypervisor=true" in kubelet.command
    assert kubelet.node == "n1"


def test_the_name_server_runs_from_the_image_the_nodes_hold() -> None:
    documents = list(yaml.safe_load_all(realnode.name_server(BOX, "localhost/coredns:7")))

    assert [item["kind"] for item in documents][-2:] == ["Deployment", "Service"]
    assert documents[-2]["spec"]["template"]["spec"]["containers"][0]["image"] == "localhost/coredns:7"
    assert "10.213.3.254 images.drover.internal" in documents[3]["data"]["Corefile"]


def test_nodes_of_one_kind_do_not_turn_into_the_other(tmp_path: Path) -> None:
    layout = Layout(tmp_path, 3)
    lifecycle.require_same(layout, Settings(kubelet="Real"))
    settings.save(layout, Settings(kubelet="Kwok"))

    with pytest.raises(InvalidSpec, match="are Kwok; take it down"):
        lifecycle.require_same(layout, Settings(kubelet="Real"))


def test_a_sandbox_of_real_nodes_cannot_be_kept_below_what_they_replace() -> None:
    with pytest.raises(Unsupported, match="keep the sandbox elsewhere"):
        lifecycle.require_real(Path("/var/box"), Settings())


def test_real_nodes_have_agents() -> None:
    with pytest.raises(InvalidSpec, match="--kubelet Kwok"):
        lifecycle.require_real(Path("/box"), Settings(agents=False))
