"""What becomes of a disk's file."""

from typing import Any

import pytest
from tests.support.domains import DISK

from drover.api.domain import DomainDisk
from drover.errors import InvalidSpec, NotReady
from drover.planning.disk import Create, Grow, Keep, plan
from drover.state.host import VolumeFile

MIB = 1 << 20
IMAGE = {"image": "shop/debian", "source": {"url": "http://web/debian.img"}}


def disk(**changes: Any) -> DomainDisk:
    return DomainDisk.model_validate(DISK | {"sizeBytes": 10 * MIB} | changes)


def file(size: int) -> VolumeFile:
    return VolumeFile("/pool/vol-1.qcow2", size, MIB)


@pytest.mark.parametrize(
    ("wanted", "found", "image_bytes", "expected"),
    [
        (disk(), None, None, Create(10 * MIB)),
        (disk(image=IMAGE), None, 4 * MIB, Create(10 * MIB)),
        (disk(image=IMAGE, sizeBytes=None), None, 4 * MIB, Create(4 * MIB)),
        (disk(), file(10 * MIB), None, Keep()),
        (disk(), file(20 * MIB), None, Keep()),
        (disk(), file(5 * MIB), None, Grow(10 * MIB)),
        (disk(image=IMAGE, sizeBytes=None), file(4 * MIB), 8 * MIB, Keep()),
    ],
)
def test_a_file_is_made_kept_or_made_larger(wanted: DomainDisk, found: Any, image_bytes: Any, expected: Any) -> None:
    assert plan(wanted, found, had_data=found is not None, image_bytes=image_bytes) == expected


def test_a_file_whose_data_was_seen_is_never_made_anew() -> None:
    with pytest.raises(NotReady, match="it is not made anew") as trouble:
        plan(disk(), None, had_data=True, image_bytes=None)
    assert trouble.value.reason == "VolumeLost"


def test_an_image_must_fit_on_its_disk() -> None:
    with pytest.raises(InvalidSpec) as trouble:
        plan(disk(image=IMAGE), None, had_data=False, image_bytes=11 * MIB)
    assert trouble.value.reason == "ImageLargerThanDisk"


def test_a_blank_disk_needs_a_size() -> None:
    with pytest.raises(InvalidSpec):
        plan(disk(sizeBytes=None), None, had_data=False, image_bytes=None)
