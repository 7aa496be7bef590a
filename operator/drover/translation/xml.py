"""XML as small values: elements are made by calls, never by text."""

from lxml import etree

Element = etree._Element  # noqa: SLF001  # lxml has no public name for its elements
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True, huge_tree=False)


etree.register_namespace("drover", "https://drover.dev/xmlns/record/1")
etree.register_namespace("qemu", "http://libvirt.org/schemas/domain/qemu/1.0")
etree.register_namespace("dnsmasq", "http://libvirt.org/schemas/network/dnsmasq/1.0")


def element(tag: str, /, *content: "Element | str", **attributes: str | int) -> Element:
    """Make an element of its children or its text, and attributes."""
    made = etree.Element(tag, {name: str(value) for name, value in attributes.items()})
    for part in content:
        if isinstance(part, str):
            made.text = part
        else:
            made.append(part)
    return made


def number(tag: str, value: int, **attributes: str | int) -> Element:
    """Make an element that holds a number."""
    return element(tag, str(value), **attributes)


def render(tree: Element) -> str:
    """The document as text, indented for people who read ``virsh dumpxml``."""
    return etree.tostring(tree, pretty_print=True, encoding="unicode")


def parse(text: str) -> Element:
    """Read a document; entities stay unresolved and nothing is fetched."""
    return etree.fromstring(text, _PARSER)


def text(tree: Element, path: str) -> str:
    """Text of the first element at `path`, empty when there is none."""
    return (tree.findtext(path) or "").strip()


def attribute(tree: Element, path: str, name: str) -> str:
    """An attribute of the first element at `path`, empty when there is none."""
    target = tree.find(path)
    return "" if target is None else str(target.get(name, ""))
