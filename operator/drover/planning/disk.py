"""What to do about the file of one disk on its node."""

from dataclasses import dataclass

from drover.api.domain import DomainDisk
from drover.errors import InvalidSpec, NotReady
from drover.state.host import VolumeFile

LOOK_AGAIN = 30.0
"""Seconds after which a lost file is looked for again: somebody may bring the disk back."""


@dataclass(frozen=True, slots=True)
class Keep:
    """The file is there and large enough."""


@dataclass(frozen=True, slots=True)
class Create:
    """There is no file yet."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Copy:
    """There is no file yet, and another volume to make it from."""

    size_bytes: int
    """At least; that of the origin when it is larger."""


@dataclass(frozen=True, slots=True)
class Grow:
    """The file is there and too small."""

    size_bytes: int


Step = Keep | Create | Copy | Grow


def plan(disk: DomainDisk, file: VolumeFile | None, *, had_data: bool, image_bytes: int | None) -> Step:
    """Tell what the disk's file needs; `image_bytes` is the size of the image it starts from, as far as it is known.

    A file that is missing although its data was seen before is never made anew.
    """
    if file is not None:
        too_small = disk.size_bytes is not None and file.capacity_bytes < disk.size_bytes
        return Grow(disk.size_bytes) if too_small and disk.size_bytes else Keep()
    if had_data:
        raise NotReady(
            f"disk {disk.name}: the data of volume {disk.volume} is gone from pool {disk.pool}; it is not made anew",
            reason="VolumeLost",
            delay=LOOK_AGAIN,
        )
    return Copy(disk.size_bytes or 0) if disk.clone else Create(_size(disk, image_bytes))


def _size(disk: DomainDisk, image_bytes: int | None) -> int:
    if disk.image is not None and image_bytes is not None:
        if disk.size_bytes is not None and image_bytes > disk.size_bytes:
            raise InvalidSpec(
                f"disk {disk.name}: image {disk.image.image} has {image_bytes} bytes, the disk only {disk.size_bytes}",
                reason="ImageLargerThanDisk",
            )
        return disk.size_bytes or image_bytes
    if disk.size_bytes is None:
        raise InvalidSpec(f"disk {disk.name}: a blank disk needs a size", reason="SizeMissing")
    return disk.size_bytes
