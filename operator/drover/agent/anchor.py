"""The anchor: what runs in the pod that holds a machine's place. It does nothing, and SIGTERM does nothing to it.

The place is given up by whoever deletes the pod with a short grace period: the kubelet then kills this process.
"""

import signal
from collections.abc import Sequence


def main(_arguments: Sequence[str] = ()) -> int:
    """Wait for ever."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()
