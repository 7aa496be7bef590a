"""One package, one image: the first word of the command line chooses the process."""

import importlib
import sys
from importlib.util import find_spec

PROCESSES = {
    "agent": ("drover.agent", "drover.agent.__main__", "run guests on this node as the cluster asks"),
    "anchor": ("drover.agent", "drover.agent.anchor", "hold a machine's place on a node"),
    "controller": ("drover.controllers", "drover.controllers.__main__", "turn machines into orders for the nodes"),
    "crds": ("drover.definitions", "drover.definitions.__main__", "install or upgrade the CRDs"),
    "healthcheck": ("drover.runtime", "drover.runtime.healthcheck", "ask the process of this container how it is"),
    "preflight": ("drover.preflight", "drover.preflight.__main__", "check whether this node is fit for guests"),
    "sandbox": ("drover.sandbox", "drover.sandbox.__main__", "raise a cluster on this machine to try things out"),
    "worker": ("drover.agent", "drover.agent.worker", "fetch one image for the agent"),
}
"""Package, module and purpose of each process; a package may be left out of an image."""


def main(arguments: list[str] | None = None) -> int:
    """Run the process that the first argument names with the rest of the arguments; return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in present():
        # Imported late: start-up time is the user's, and each process needs little of the whole.
        process = importlib.import_module(PROCESSES[words[0]][1])
        code: int = process.main(words[1:])
        return code
    asked = bool(words) and words[0] in {"-h", "--help"}
    print(usage(), file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


def present() -> list[str]:
    """Names of the processes that are there."""
    return [name for name, (package, *_) in PROCESSES.items() if find_spec(package) is not None]


def usage() -> str:
    """Tell what can be run."""
    lines = (f"  {name:<12} {PROCESSES[name][2]}" for name in present())
    return "\n".join(("usage: drover PROCESS [options]", "", *lines))


if __name__ == "__main__":
    raise SystemExit(main())
