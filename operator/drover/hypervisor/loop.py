"""libvirt's own event loop, in one thread for the whole process.

Not libvirtaio: libvirt changes its watches and timers from whichever thread makes a call, and asyncio's are not made
for that. Here the loop is libvirt's, and only finished events cross over to asyncio.
"""

import threading
from functools import cache

import libvirt


@cache
def ensure_event_loop() -> None:
    """Run the loop from now on; must come before the first connection is opened."""
    silence()
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_run, name="libvirt-events", daemon=True).start()


def silence() -> None:
    """Keep libvirt from printing its errors: each comes as an exception too."""
    libvirt.registerErrorHandler(_silent, None)


def _run() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def _silent(context: object, error: object) -> None:
    """Print nothing."""
