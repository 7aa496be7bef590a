"""An iSCSI target, the real one, where the nodes can reach it."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.world import World, eventually

TARGET = "iqn.2026-01.com.example:disks"
# Both apart from those of a target of the machine's own.
CONTROL = "27"
PORT = 3270


@contextmanager
def target(world: World, lun: Path) -> Iterator[None]:
    """Have a target whose LUN 1 is a file."""
    words = ["tgtd", "-f", "-C", CONTROL, "--iscsi", f"portal={world.address}:{PORT}"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=quiet, stderr=quiet) as child:
        try:
            eventually("the target to answer", lambda: _answers(world), 20)
            _administer("target", "new", "--targetname", TARGET)
            _administer("logicalunit", "new", "--lun", "1", "--backing-store", str(lun))
            _administer("target", "bind", "--initiator-address", "ALL")
            yield
        finally:
            # It takes no other signal while somebody is connected.
            child.kill()


def _answers(world: World) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((world.address, PORT)) == 0


def _administer(mode: str, verb: str, *words: str) -> None:
    command = ["tgtadm", "-C", CONTROL, "--lld", "iscsi", "--mode", mode, "--op", verb, "--tid", "1", *words]
    subprocess.run(command, check=True, timeout=20, capture_output=True)
