"""Run every tier of tests one after the other, whatever fails on the way, and say how long each took.

The last line is the sum over all tiers: ``N passed, M failed``. ``--all`` takes in the long tests.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTEST = (str(ROOT / ".venv" / "bin" / "pytest"), "-q")
STAGES: Mapping[str, tuple[str, ...]] = {
    "check": (str(ROOT / "scripts" / "check.sh"),),
    "libvirt": (*PYTEST, "tests/libvirt"),
    "cluster": (*PYTEST, "tests/cluster"),
    "system": (*PYTEST, "tests/system"),
    "install": (*PYTEST, "tests/install"),
}


@dataclass(frozen=True, slots=True)
class Result:
    """What one tier came to."""

    name: str
    passed: int
    failed: int
    seconds: float
    code: int

    def __str__(self) -> str:
        verdict = "ok" if self.code == 0 else f"FAILED with exit code {self.code}"
        return f"{self.name:<10} {self.passed:>5} passed {self.failed:>5} failed {self.seconds:>7.1f} s  {verdict}"


def run(name: str, chosen: str, reports: Path) -> Result:
    """Run one tier; its counts come from pytest's own report, a failure outside pytest counts as one."""
    print(f"\n== {name} ==", flush=True)
    report = reports / f"{name}.xml"
    options = f"{os.environ.get('PYTEST_ADDOPTS', '')} --junitxml={report} -m '{chosen}'"
    environment = os.environ | {"PYTEST_ADDOPTS": options, "PYTHONPATH": str(ROOT / "operator")}
    begun = time.monotonic()
    code = subprocess.run(STAGES[name], cwd=ROOT, env=environment, check=False).returncode
    passed, failed = counts(report)
    return Result(name, passed, max(failed, int(code != 0)), time.monotonic() - begun, code)


def counts(report: Path) -> tuple[int, int]:
    """Tests passed and failed according to a JUnit report, nothing when there is none."""
    if not report.exists():
        return 0, 0
    suites = ET.parse(report).getroot().iter("testsuite")
    found = [{word: int(suite.get(word, 0)) for word in ("tests", "failures", "errors")} for suite in suites]
    failed = sum(suite["failures"] + suite["errors"] for suite in found)
    return sum(suite["tests"] for suite in found) - failed, failed


def main() -> int:
    """Run the tiers that were named, all by default; the exit code is 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", choices=[*STAGES, []], help="tiers to run, default all")
    parser.add_argument("--all", action="store_true", help="long tests too")
    given = parser.parse_args()
    chosen = "long or not long" if given.all else "not long"
    with tempfile.TemporaryDirectory() as reports:
        results = [run(name, chosen, Path(reports)) for name in given.stages or STAGES]
    print("\n" + "\n".join(map(str, results)))
    print(f"{sum(result.passed for result in results)} passed, {sum(result.failed for result in results)} failed")
    return int(any(result.code for result in results))


if __name__ == "__main__":
    sys.exit(main())
