"""``drover worker``: long data work in a process of its own, which ends when the one that asked for it does.

Its order comes on its standard input, because a command line can be read by everybody. It tells how it gets on in JSON,
one object a line, on its standard output; the last line is its result or its error.
"""

import argparse
import asyncio
import json
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from drover.agent.fetch.disk import die_with_parent
from drover.agent.fetch.order import Order, Stage, Trouble, from_json
from drover.agent.fetch.process import fetch

FAILED = 1
PROGRESS_SECONDS = 1.0
ADDRESS_SPACE_BYTES = 4 << 30
"""What work on files that nobody vouches for may take of memory."""


def main(arguments: Sequence[str]) -> int:
    """Do one piece of work, told on the standard input; give 0, or 1 when it failed."""
    _parser().parse_args(arguments)
    _confine()
    return asyncio.run(_run(from_json(sys.stdin.buffer.read())))


def _confine() -> None:
    """Bind this process and the tools it runs to the agent's life, and their memory to a limit."""
    die_with_parent()()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="drover worker", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    verbs.add_parser("fetch", help="fetch a file into the image cache; the order comes as JSON on the standard input")
    return parser


async def _run(order: Order) -> int:
    task = asyncio.create_task(fetch(order, Reporter().tell))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        _tell({"result": asdict(await task)})
    except Trouble as trouble:
        _tell({"error": {"reason": trouble.reason, "message": str(trouble)}})
        return FAILED
    except asyncio.CancelledError:
        return FAILED
    return 0


class Reporter:
    """Tells how far the work is, not more often than anybody could read it."""

    def __init__(self) -> None:
        self._stage = ""
        self._told_at = 0.0

    def tell(self, stage: Stage, done: int, total: int | None) -> None:
        """Tell it, unless the last word of this stage was a moment ago."""
        now = time.monotonic()
        if stage == self._stage and now - self._told_at < PROGRESS_SECONDS and done != total:
            return
        self._stage, self._told_at = stage, now
        _tell({"progress": {"stage": stage, "done": done, "total": total}})


def _tell(line: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
