"""libvirt's own way with ZFS, whose programs are stand-ins: kernels that tests run on lack it."""

from typing import Any

import pytest
from tests.system.apart import found_by
from tests.system.test_lvm import MIB


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of making, copying, wiping and deleting volumes."""
    folder = tmp_path_factory.mktemp("zfs")
    return found_by("zfs.inside", folder, ZFS_FOLDER=folder / "zfs", LVM_FOLDER=folder)


@pytest.mark.parametrize(
    ("name", "size", "data"),
    [("image", 8, MIB), ("blank", 8, 0), ("copy", 12, MIB), ("wiped", 12, 0), ("back", 8, MIB)],
)
def test_a_zvol_has_what_it_is_made_from(found: dict[str, Any], name: str, size: int, data: int) -> None:
    begins = "AA" if data else "\0\0"

    assert found[name] == {"size": size * MIB, "begins": begins, "data": data, "left": False}


def test_a_pool_of_zfs_is_counted_filled_and_left(found: dict[str, Any]) -> None:
    assert (found["capacity"], found["full"], found["left"]) == (64 * MIB, "PoolFull", [])
    assert sorted(found["volumes"]) == ["back", "blank", "image"]


def test_a_pool_of_zfs_that_is_not_there_is_not_taken_for_an_empty_one(found: dict[str, Any]) -> None:
    assert (found["absent"], found["gone"]) == ("PoolUnusable", ["PoolUnusable", "PoolUnusable"])
