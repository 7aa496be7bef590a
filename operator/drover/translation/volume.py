"""A disk file of a pool as libvirt's volume."""

from collections.abc import Collection
from pathlib import PurePosixPath

from drover.state.guest import Unit
from drover.translation.xml import element, number, render

SUFFIX = ".qcow2"
LOGICAL, WHOLE = "drover-", ".whole"
"""What tells our logical volumes from others', and those that are whole from those being made."""


def name(uid: str) -> str:
    """Libvirt's name of a StorageVolume, which is also its file's."""
    return f"{uid}{SUFFIX}"


def uid(name: str) -> str | None:
    """The uid of the StorageVolume that a file belongs to, None of any other file."""
    return name.removesuffix(SUFFIX) if name.endswith(SUFFIX) else None


def path(pool: str, uid: str) -> PurePosixPath:
    """Where a StorageVolume's file is, given its pool's directory."""
    return PurePosixPath(pool) / name(uid)


def unfinished(uid: str) -> str:
    """The uid under which a copy is made until it is whole."""
    return f"{uid}.copy"


def linked(uid: str) -> str:
    """The uid under which a copy on write of an image is kept until it is copied whole."""
    return f"{uid}.linked"


def document(uid: str, size_bytes: int, image: PurePosixPath | None, form: str = "qcow2") -> str:
    """A new qcow2 file: blank, or on top of `image` of the format `form`, which stays as it is."""
    permissions = element("permissions", element("mode", "0600"))
    # Only this version of the format knows of bitmaps and of blocks that are zero.
    target = element("target", element("format", type="qcow2"), permissions, element("compat", "1.1"))
    tree = element("volume", element("name", name(uid)), number("capacity", size_bytes, unit="bytes"), target)
    if image is not None:
        tree.append(element("backingStore", element("path", str(image)), element("format", type=form)))
    return render(tree)


# --- volumes of a volume group, where others may have theirs ----------------------------------------------------------


HERE = f"{LOGICAL}here"
"""Name of the zvol that tells that a pool of ZFS is there; no StorageVolume's uid is that."""


def logical(uid: str) -> str:
    """Name of a StorageVolume's logical volume."""
    return f"{LOGICAL}{uid}"


def proof(uid: str) -> str:
    """Name of the smallest of logical volumes, which is there once a StorageVolume's is whole."""
    return f"{LOGICAL}{uid}{WHOLE}"


def logical_uids(names: Collection[str]) -> tuple[str, ...]:
    """Uids of the StorageVolumes that are whole, by the names of the logical volumes in a group."""
    ours = (name.removeprefix(LOGICAL) for name in names if name.startswith(LOGICAL) and not name.endswith(WHOLE))
    return tuple(uid for uid in ours if proof(uid) in names)


def flat(name: str) -> str:
    """Name of the file that has every byte of another one as it is read."""
    return f"{name}.flat"


def flat_document(name: str, size_bytes: int) -> str:
    """A new file that has every byte as it is read."""
    target = element("target", element("format", type="raw"), element("permissions", element("mode", "0600")))
    return render(element("volume", element("name", name), number("capacity", size_bytes, unit="bytes"), target))


def logical_document(name: str, size_bytes: int) -> str:
    """A new logical volume; only root and QEMU may open it."""
    target = element("target", element("permissions", element("mode", "0600")))
    return render(element("volume", element("name", name), number("capacity", size_bytes, unit="bytes"), target))


# --- LUNs ------------------------------------------------------------------------------------------------------------


def unit(lun: int) -> str:
    """Libvirt's name of a LUN."""
    return f"unit:0:0:{lun}"


def unit_of(place: Unit) -> str:
    """QEMU's name of a LUN."""
    return f"{place.target.name}/{place.lun}"
