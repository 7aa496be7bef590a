"""`drover preflight`: whether this node is fit for guests, and if not, what is to be done."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from drover.planning.preflight import failed, judge
from drover.preflight import clock
from drover.preflight.gather import Place, gather
from drover.preflight.show import as_json, as_table, verdict
from drover.runtime.settings import AgentSettings

UNFIT = 1


def main(arguments: Sequence[str]) -> int:
    """Check the node and tell; the exit code is 1 when it cannot be used as it is."""
    asked = parser().parse_args(arguments)
    findings = judge(gather(_place(asked), clock.compare()))
    if asked.output == "json":
        print(as_json(findings))  # noqa: T201
    else:
        print(as_table(findings, coloured=_coloured()))  # noqa: T201
        print(f"\n{verdict(findings)}")  # noqa: T201
    return UNFIT if failed(findings) else 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(prog="drover preflight", description=__doc__)
    described.add_argument("--output", choices=("table", "json"), default="table", help="for people or for programs")
    described.add_argument(
        "--root", type=Path, default=Path("/"), metavar="PATH", help="where the node's root is mounted, in a container"
    )
    uri, state = _default("libvirt_uri"), Path(_default("state_dir"))
    described.add_argument("--libvirt-uri", default=uri, metavar="URI", help="where libvirt listens")
    described.add_argument("--state-dir", type=Path, default=state, metavar="PATH", help="folder of the agent's state")
    return described


def _place(asked: argparse.Namespace) -> Place:
    inside = asked.root == Path("/") and "KUBERNETES_SERVICE_HOST" in os.environ
    return Place(asked.root, Path("/"), asked.state_dir, asked.libvirt_uri, inside=inside)


def _default(field: str) -> str:
    return os.environ.get(f"DROVER_{field.upper()}") or str(AgentSettings.model_fields[field].default)


def _coloured() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
