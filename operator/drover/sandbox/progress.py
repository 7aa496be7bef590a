"""What the user sees while a sandbox is raised: a line for every step, with the time it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Progress:
    """Prints steps to a console; colours only where the console is a terminal."""

    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a line when the step is done; steps may overlap."""
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self._line("✗", "red", title, began)
            raise
        self._line("✓", "green", title, began)

    def note(self, text: str) -> None:
        """Print a remark."""
        self.console.print(Text.assemble(("…", "yellow"), f"          {text}"), soft_wrap=True)

    def total(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self.began

    def _line(self, sign: str, colour: str, title: str, began: float) -> None:
        took = f"{time.monotonic() - began:7.1f} s"
        self.console.print(Text.assemble((sign, colour), (took, "dim"), f"  {title}"), soft_wrap=True)


def silent() -> Progress:
    """Return a progress that prints nothing, for tests."""
    return Progress(Console(quiet=True))
