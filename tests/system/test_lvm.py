"""libvirt's own way with LVM, whose programs are stand-ins: kernels that tests run on lack device-mapper."""

from typing import Any

import pytest
from tests.system.apart import found_by

MIB = 1 << 20


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of making, copying, wiping and deleting volumes."""
    folder = tmp_path_factory.mktemp("lvm")
    return found_by("lvm.inside", folder, LVM_FOLDER=folder / "lvm")


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
