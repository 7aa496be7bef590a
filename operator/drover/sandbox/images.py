"""The image server: files of a sandbox's ``images`` directory over HTTP, with ranges, for the nodes to download.

Run as ``python -m drover.sandbox.images ADDRESS PORT DIRECTORY``.
"""

import sys
from pathlib import Path

from aiohttp import web

from drover.sandbox.component import Component
from drover.sandbox.layout import Layout

PORT = 80


def component(layout: Layout) -> Component:
    """Return the server as a component."""
    where = (str(layout.address), str(PORT), str(layout.images))
    return Component(name="images", command=(sys.executable, "-m", "drover.sandbox.images", *where))


def application(directory: Path) -> web.Application:
    """Return the server's application: everything below a directory, links followed."""
    served = web.Application()
    served.router.add_static("/", directory, show_index=True, follow_symlinks=True)
    return served


def main(arguments: list[str]) -> int:
    """Serve a directory until told to end."""
    address, port, directory = arguments
    web.run_app(application(Path(directory)), host=address, port=int(port), print=None)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
