"""One package, one image: the first word of the command line chooses the process."""

import importlib
import sys

PROCESSES = {
    "agent": "drover.agent.__main__",
    "controller": "drover.controllers.__main__",
    "sandbox": "drover.sandbox.__main__",
    "worker": "drover.agent.worker",
}
USAGE = f"usage: drover {{{'|'.join(sorted(PROCESSES))}}} [options]"


def main(arguments: list[str] | None = None) -> int:
    """Run the process that the first argument names with the rest of the arguments; return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] not in PROCESSES:
        print(USAGE, file=sys.stderr)  # noqa: T201
        return 2
    # Imported late: the agent's image may lack what the sandbox needs, and start-up time is the user's.
    process = importlib.import_module(PROCESSES[words[0]])
    code: int = process.main(words[1:])
    return code


if __name__ == "__main__":
    raise SystemExit(main())
