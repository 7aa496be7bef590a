"""A directory of the host, or what a server lends, as libvirt's storage pool."""

from drover.state.host import Export
from drover.translation.xml import Element, element, parse, render, text

PREFIX = "drover-"


def name(pool: str) -> str:
    """Libvirt's name of a StoragePool."""
    return f"{PREFIX}{pool}"


def pool(name: str) -> str | None:
    """The StoragePool of a pool of libvirt's, None of any other's."""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None


def document(pool: str, path: str, export: Export | None = None) -> str:
    """The pool's XML. Others may pass through the directory (QEMU has a user of its own) but not list it."""
    permissions = element("permissions", element("mode", "0711"))
    target = element("target", element("path", path), permissions)
    if export is None:
        return render(element("pool", element("name", name(pool)), target, type="dir"))
    return render(element("pool", element("name", name(pool)), _source(export), target, type="netfs"))


def _source(export: Export) -> Element:
    host, folder = element("host", name=export.server), element("dir", path=export.path)
    return element("source", host, folder, element("format", type="nfs"))


def directory(document: str) -> str:
    """The directory of a pool, from its XML."""
    return text(parse(document), "target/path")
