#!/usr/bin/python3
"""Stand-in for the programs of ZFS, called as one of them: a zvol is a file of $ZFS_FOLDER behind a loop device.

Its device comes a moment late, as udev's do. Without the file $ZFS_FOLDER.there there is no pool.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

FOLDER, DEVICES = Path(os.environ["ZFS_FOLDER"]), Path("/dev/zvol/tank")
CAPACITY = 64 << 20
OTHERS = "swap"


def main(program: str, words: list[str]) -> int:
    """Do what the program of ZFS does, as far as libvirt asks for it."""
    if not FOLDER.with_suffix(".there").exists():
        return fail("cannot open 'tank': no such pool")
    sizes = {path.name: path.stat().st_size for path in sorted(FOLDER.iterdir())}
    room, name = CAPACITY - sum(sizes.values()), words[-1].rpartition("/")[2]
    if program == "zpool":
        for fact, value in {"size": CAPACITY, "free": room, "allocated": CAPACITY - room}.items():
            show(name, fact, value, "-")
    elif words[0] == "list":
        for each, size in (sizes | {OTHERS: 5 << 20}).items():
            show(f"tank/{each}", size, size)
    elif words[0] == "create":
        size = int(words[words.index("-V") + 1].rstrip("K")) << 10
        return create(name, size) if size <= room else fail(f"cannot create '{words[-1]}': out of space")
    elif words[0] == "destroy":
        remove(name)
    return 2 if words[0] == "get" and program == "zfs" else 0


def create(name: str, size: int) -> int:
    """Make a zvol, and its device a moment later."""
    with (FOLDER / name).open("wb") as file:
        file.truncate(size)
    made = subprocess.run(["losetup", "--find", "--show", FOLDER / name], capture_output=True, text=True, check=True)
    DEVICES.mkdir(parents=True, exist_ok=True)
    if os.fork() == 0:
        os.closerange(0, 256)
        time.sleep(0.3)
        (DEVICES / name).symlink_to(made.stdout.strip())
        os._exit(0)
    return 0


def remove(name: str) -> None:
    """Delete a zvol."""
    while not (DEVICES / name).is_symlink():
        time.sleep(0.1)
    subprocess.run(["losetup", "--detach", (DEVICES / name).readlink()], check=True)
    (DEVICES / name).unlink()
    (FOLDER / name).unlink()


def show(*columns: object) -> None:
    """Print a row."""
    sys.stdout.write("\t".join(str(each) for each in columns) + "\n")


def fail(words: str) -> int:
    """Say what is wrong."""
    sys.stderr.write(words)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[0]).name, sys.argv[1:]))
