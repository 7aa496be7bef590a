"""Scenarios in namespaces of their own, each run by a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from drover.errors import OperatorError

ROOT = Path(__file__).resolve().parents[2]
NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--mount-proc")


def found_by(module: str, folder: Path, seconds: float = 180, **variables: Path) -> dict[str, Any]:
    """Run a module of these tests with a folder to work in, and give what it prints."""
    known = (
        os.environ | {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"} | {name: str(at) for name, at in variables.items()}
    )
    command = ["unshare", *NAMESPACES, sys.executable, "-m", f"tests.system.{module}", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, env=known, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-4000:]
    return dict(json.loads(done.stdout))


async def refusal(verb: Awaitable[object]) -> str:
    """The reason for which something is not done."""
    try:
        await verb
    except OperatorError as error:
        return error.reason
    return ""
