"""Controllers as processes. One that a test leaves in order may serve the next test: to start one takes seconds."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LEADING = '"leading"'
_RESTING: list["Controller"] = []
"""The one, if any, that waits for its next test."""


@dataclass(frozen=True)
class Controller:
    """One process, and what it was told."""

    process: subprocess.Popen[bytes]
    settings: Mapping[str, str]
    log: Path

    @property
    def lives(self) -> bool:
        """Whether it runs still."""
        return self.process.poll() is None

    @property
    def leads(self) -> bool:
        """Whether it has said that it leads."""
        return LEADING in self.log.read_text(encoding="utf-8")

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it, although it may have been stopped in its tracks."""
        for each in (number, signal.SIGCONT):
            self.process.send_signal(each)
        self.process.wait()


def begin(settings: Mapping[str, str], log: Path) -> Controller:
    """Start one."""
    with log.open("wb") as output:
        words = (sys.executable, "-m", "drover", "controller")
        return Controller(subprocess.Popen(words, env={**os.environ, **settings}, stderr=output), settings, log)


def rest(controller: Controller) -> None:
    """Let a test leave one to the next."""
    _RESTING.append(controller)


def wake(settings: Mapping[str, str]) -> Controller | None:
    """Take over the one that rests if it was told the same; any other goes, since it holds the lease."""
    if _RESTING and _RESTING[0].lives and _RESTING[0].settings == settings:
        return _RESTING.pop()
    dismiss()
    return None


def dismiss() -> None:
    """Let nothing be at work behind the tests that follow."""
    while _RESTING:
        _RESTING.pop().end()
