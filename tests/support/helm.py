"""Helm, built once and kept where it is not installed."""

import asyncio
import subprocess
from functools import cache
from pathlib import Path

from scripts.chart import render

from drover.sandbox import binaries


@cache
def helm() -> Path:
    """Find Helm, or build it."""
    return render.helm() or asyncio.run(binaries.helm())


def run_helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Run it."""
    return subprocess.run([helm(), *words], capture_output=True, text=True, check=False)
