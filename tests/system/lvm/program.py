#!/usr/bin/python3
"""Stand-in for LVM's programs, called as one of them: a logical volume is a file of $LVM_FOLDER behind a loop device.

A new one is full of what somebody left in it, as LVM's are.
"""

import os
import subprocess
import sys
from pathlib import Path

FOLDER, DEVICES = Path(os.environ["LVM_FOLDER"]), Path("/dev/shm")
CAPACITY, EXTENT = 64 << 20, 4 << 20
LEFT = b"SECRET.."


def main(program: str, words: list[str]) -> int:
    """Do what the program of LVM does, as far as libvirt asks for it."""
    sizes = {path.name: path.stat().st_size for path in sorted(FOLDER.iterdir())}
    room = CAPACITY - sum(sizes.values())
    if program == "lvcreate":
        return create(after(words, "--name"), int(after(words, "-L").rstrip("K")) << 10, room)
    if program == "lvremove":
        remove(Path(words[-1]).name)
    if program == "lvs":
        for name, size in sizes.items():
            show(words, {"lv_name": name, "uuid": name, "seg_size": size, "size": size, "lv_attr": "-wi-a-----"})
    if program in {"vgs", "pvs"}:
        show(words, {"vg_size": CAPACITY, "vg_free": room, "pv_name": "/dev/sdx", "vg_name": DEVICES.name})
    return 0


def create(name: str, size: int, room: int) -> int:
    """Make a logical volume, if there is room."""
    size = -(-size // EXTENT) * EXTENT
    if size > room:
        sys.stderr.write(f'Volume group "{DEVICES.name}" has insufficient free space')
        return 5
    (FOLDER / name).write_bytes(LEFT * (size // len(LEFT)))
    made = subprocess.run(["losetup", "--find", "--show", FOLDER / name], capture_output=True, text=True, check=True)
    (DEVICES / name).symlink_to(made.stdout.strip())
    return 0


def remove(name: str) -> None:
    """Delete a logical volume."""
    subprocess.run(["losetup", "--detach", (DEVICES / name).readlink()], check=True)
    (DEVICES / name).unlink()
    (FOLDER / name).unlink()


def after(words: list[str], name: str) -> str:
    """The word after an option."""
    return words[words.index(name) + 1]


def show(words: list[str], row: dict[str, object]) -> None:
    """Print the columns that are asked for."""
    plain = {"origin": "", "devices": "/dev/sdx(0)", "segtype": "linear", "stripes": 1, "vg_extent_size": EXTENT}
    separator = after(words, "--separator") if "--separator" in words else " "
    columns = after(words, "-o" if "-o" in words else "--options").split(",")
    sys.stdout.write("  " + separator.join(str((plain | row)[each]) for each in columns) + "\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[0]).name, sys.argv[1:]))
