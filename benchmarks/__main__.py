"""``python -m benchmarks [life] [scale]``: run them, print the table, write docs/benchmarks.md."""

import asyncio
import sys
from pathlib import Path

from benchmarks import life, scale
from benchmarks.figures import Report

ALL = {"life": life.measure, "scale": scale.measure}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    names = sys.argv[1:] or list(ALL)
    report = Report()
    for name in names:
        print(f"{name}:", flush=True)
        asyncio.run(ALL[name](report, Path(".sandbox-bench").absolute()))
        # After each: a later one that fails loses nothing of an earlier one.
        report.write(Path("benchmarks/results"), Path("docs/benchmarks.md"))


if __name__ == "__main__":
    main()
