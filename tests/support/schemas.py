"""libvirt's own schemas, as its packages install them."""

from functools import cache
from pathlib import Path

from lxml import etree

SCHEMAS = Path("/usr/share/libvirt/schemas")


@cache
def _schema(kind: str) -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(str(SCHEMAS / f"{kind}.rng")))


def valid(kind: str, document: etree._Element) -> str:
    """What libvirt's schema says against a document, empty when nothing."""
    schema = _schema(kind)
    return "" if schema.validate(document) else str(schema.error_log)
