"""Documents point at things that exist."""

import re
from pathlib import Path

from tests.architecture.sources import ROOT, files, short

DOCUMENTS = {path: text for path, text in files().items() if path.suffix == ".md"}


def headings(path: Path) -> set[str]:
    """Headings of a document, as links write them."""
    found = re.findall(r"^#+ (.+)$", DOCUMENTS.get(path, ""), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in found}


def test_links_between_documents_lead_somewhere() -> None:
    links = (
        (path, link) for path, text in DOCUMENTS.items() for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    )

    assert [f"{short(path)} -> {link}" for path, link in links if not (path.parent / link).exists()] == []


def test_links_into_documents_lead_to_a_heading() -> None:
    links = (
        (path, (path.parent / link).resolve() if link else path, heading)
        for path, text in DOCUMENTS.items()
        for link, heading in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text)
    )

    assert [f"{short(path)} -> #{heading}" for path, to, heading in links if heading not in headings(to)] == []


def test_every_guarantee_names_a_test_that_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8"))

    assert len(named) > 10
    assert [f"{path}::{name}" for path, name in named if f"def {name}(" not in files().get(ROOT / path, "")] == []


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text(encoding="utf-8")

    assert [path.name for path in sorted(folder.glob("0*.md")) if f"({path.name})" not in index] == []
