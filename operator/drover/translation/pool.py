"""A directory of the host as libvirt's storage pool."""

from drover.translation.xml import element, parse, render, text

PREFIX = "drover-"


def name(pool: str) -> str:
    """Libvirt's name of a StoragePool."""
    return f"{PREFIX}{pool}"


def pool(name: str) -> str | None:
    """The StoragePool of a pool of libvirt's, None of any other's."""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None


def document(pool: str, path: str) -> str:
    """The pool's XML. Others may pass through the directory (QEMU has a user of its own) but not list it."""
    permissions = element("permissions", element("mode", "0711"))
    return render(
        element("pool", element("name", name(pool)), element("target", element("path", path), permissions), type="dir")
    )


def directory(document: str) -> str:
    """The directory of a pool, from its XML."""
    return text(parse(document), "target/path")
