from itertools import combinations, pairwise
from pathlib import Path

import pytest

from drover.sandbox.layout import MAXIMUM_NODES, REGISTRY, SLOTS, Layout

LONGEST_INTERFACE_NAME = 15
LONGEST_SOCKET_PATH = 107
ALL = [Layout(Path("/somewhere"), slot) for slot in range(SLOTS)]


def test_no_two_slots_share_a_network() -> None:
    networks = sorted([layout.fabric for layout in ALL] + [layout.vm_network for layout in ALL])

    assert not any(before.overlaps(after) for before, after in pairwise(networks))


def test_no_two_slots_share_a_name() -> None:
    names = [{layout.uplink, layout.switch} | {node.netns for node in layout.nodes(MAXIMUM_NODES)} for layout in ALL]

    assert not any(one & other for one, other in combinations(names, 2))


def test_interface_names_fit_into_the_kernel() -> None:
    names = [layout.uplink for layout in ALL] + [node.port for node in ALL[-1].nodes(MAXIMUM_NODES)]

    assert max(map(len, names)) <= LONGEST_INTERFACE_NAME


def test_sockets_have_short_paths_however_long_the_state_directory_is() -> None:
    layout = Layout(Path("/long" * 60), 250)

    assert len(str(layout.control_socket)) < LONGEST_SOCKET_PATH
    assert len(str(layout.node(8).libvirt_socket)) < LONGEST_SOCKET_PATH
    assert layout.control_socket.is_relative_to(REGISTRY)


def test_a_node_has_the_address_of_its_index() -> None:
    node = Layout(Path("/s"), 7).node(2)

    assert (node.name, str(node.address), node.netns) == ("n2", "10.213.7.2", "dvr7-n2")
    assert node.libvirt_uri == "qemu+unix:///system?socket=/run/drover-sandbox/7/n2/libvirt-sock"


@pytest.mark.parametrize("index", [0, 9, -1])
def test_a_node_outside_the_range_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match=r"1\.\.8"):
        Layout(Path("/s"), 7).node(index)


def test_guests_of_any_sandbox_are_hundreds() -> None:
    assert all(layout.vm_network.num_addresses == 4096 for layout in ALL)
