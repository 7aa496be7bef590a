"""Asks the process of this container whether it is alive, for whoever runs it without a kubelet."""

import os
import sys
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException

from drover.runtime.settings import CommonSettings

TIMEOUT_SECONDS = 4.0
OK = 200
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what is asked there is asked here


def main(_arguments: Sequence[str] = ()) -> int:
    """Ask where the settings say that the process serves; the exit code is 0 when it is alive."""
    address = os.environ.get("DROVER_HTTP_ADDRESS") or str(CommonSettings.model_fields["http_address"].default)
    trouble = ask(address)
    if trouble:
        print(trouble, file=sys.stderr)  # noqa: T201
    return 1 if trouble else 0


def ask(address: str) -> str:
    """Ask the process at ``host:port``; gives what is wrong, nothing when all is well."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    connection = HTTPConnection(ANYWHERE.get(host, host), int(port), timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        with connection.getresponse() as answer:
            return "" if answer.status == OK else answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        return f"{address} does not answer: {error}"
    finally:
        connection.close()
