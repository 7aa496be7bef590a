"""Names and turns of a guest's disks."""

from typing import Any

import pytest

from drover.state.devices import names, turns


@pytest.mark.parametrize(
    ("buses", "taken", "expected"),
    [
        pytest.param(["VirtIO", "VirtIO"], [], ("vda", "vdb"), id="in-order"),
        pytest.param(["SCSI", "VirtIO", "SATA"], [], ("sda", "vda", "sdb"), id="two-buses-share-letters"),
        pytest.param(["VirtIO"], ["vda", "vdc"], ("vdb",), id="the-first-that-is-free"),
        pytest.param([], [], (), id="none"),
    ],
)
def test_a_device_gets_the_next_name_of_its_bus(buses: Any, taken: list[str], expected: tuple[str, ...]) -> None:
    assert names(buses, taken) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param([None, None], (1, 2), id="as-they-come"),
        pytest.param([None, 5, 2], (3, 2, 1), id="by-wish-then-as-they-come"),
        pytest.param([], (), id="none"),
    ],
)
def test_boot_loaders_are_looked_for_by_wish_first(wanted: list[int | None], expected: tuple[int, ...]) -> None:
    assert turns(wanted) == expected
