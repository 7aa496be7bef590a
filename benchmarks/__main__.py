"""``python -m benchmarks [NAME ...]``: run those that are named, or all; write the page of all figures."""

import asyncio
import sys
from pathlib import Path

from benchmarks import addresses, anchor, boot, fleet, images, life, memory, scale
from benchmarks.figures import Report

ALL = {
    "life": life.measure,
    "memory": memory.measure,
    "anchor": anchor.measure,
    "scale": scale.measure,
    "fleet": fleet.measure,
    "addresses": addresses.measure,
    "images": images.measure,
    "boot": boot.measure,
}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    for name in sys.argv[1:] or list(ALL):
        print(f"{name}:", flush=True)
        report = Report()
        asyncio.run(ALL[name](report, Path(".sandbox-bench").absolute()))
        # After each: a later one that fails loses nothing of an earlier one.
        report.write(name, Path("benchmarks/results"), Path("docs/benchmarks.md"))


if __name__ == "__main__":
    main()
