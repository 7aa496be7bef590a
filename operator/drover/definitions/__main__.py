"""`drover crds apply`: bring the cluster's CRDs up to those of this release."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from drover import __version__
from drover.definitions.apply import Options, apply
from drover.errors import OperatorError
from drover.kube.client import Cluster
from drover.kube.connection import Misconfigured, endpoint_from_environment
from drover.kube.errors import ApiFault

FAILED, MISCONFIGURED = 1, 2


def main(arguments: Sequence[str]) -> int:
    """Do as the arguments say; the exit code is 1 when it was refused or failed, 2 when it could not be begun."""
    asked = parser().parse_args(arguments)
    options = Options(dry_run=asked.dry_run, wait_seconds=asked.timeout if asked.wait else 0.0)
    try:
        asyncio.run(_run(options))
    except Misconfigured as error:
        _complain(error)
        return MISCONFIGURED
    except (OperatorError, ApiFault) as error:
        _complain(error)
        return FAILED
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(prog="drover crds", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="apply")
    applying = commands.add_parser(
        "apply",
        help="apply the CRDs of this release",
        description=(
            "Apply the CRDs of this release by server-side apply. Refused, with nothing changed, when the cluster has"
            " those of a later release, or stores objects in a version that this release does not know."
        ),
    )
    applying.add_argument("--dry-run", action="store_true", help="only say what would change")
    applying.add_argument("--wait", action="store_true", help="wait until the API server serves every kind")
    applying.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for --wait, 60 if not given")
    return top


async def _run(options: Options) -> None:
    async with Cluster(endpoint_from_environment(), user_agent=f"drover-crds/{__version__}") as cluster:
        async for line in apply(cluster, options):
            print(line, flush=True)  # noqa: T201


def _complain(error: Exception) -> None:
    print(f"drover crds: {error}", file=sys.stderr)  # noqa: T201
