"""Every example is in the table that says which tests apply it, and those tests do."""

import ast
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from tests.architecture.sources import ROOT, files

EXAMPLES = ROOT / "manifests" / "examples"
SHIPPED = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
TIERS = ("tests/system/", "tests/install/")
"""Tests with guests."""


@cache
def rows() -> Mapping[str, Sequence[str]]:
    """Cells of the table by the file that the first one links to."""
    lines = (EXAMPLES / "README.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| [")]
    found = {re.sub(r"^\[(.+)\.yaml\]\(\1\.yaml\)$", r"\1", row[0]): row for row in cells}
    assert len(found) == len(cells), "a file has two rows"
    return found


@cache
def functions(path: Path) -> Mapping[str, str]:
    """Text of every function of a file, with its decorators."""
    text = files().get(path, "")
    lines = text.splitlines()
    found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name: "\n".join(lines[_first(node) - 1 : node.end_lineno]) for node in found}


def _first(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


def applies(path: str, test: str, example: str) -> bool:
    """Whether a test with guests names an example, which it does to apply it."""
    named = re.search(rf"[\"']{re.escape(example)}(\.yaml)?[\"']", functions(ROOT / path).get(test, ""))
    return path.startswith(TIERS) and named is not None


def test_the_table_has_a_row_for_each_example_and_no_other() -> None:
    assert list(rows()) == sorted(rows(), key=lambda name: (name.split("-")[0], name))
    assert sorted(rows()) == SHIPPED


@pytest.mark.parametrize("example", SHIPPED)
def test_an_example_is_applied_by_the_tests_of_its_row(example: str) -> None:
    _, shows, tests, _ = rows()[example]
    named = NAMED.findall(tests)

    assert (bool(shows), bool(named)) == (True, True)
    assert [f"{path}::{test}" for path, test in named if not applies(path, test, example)] == []


@pytest.mark.parametrize("example", [name for name in SHIPPED if rows().get(name, [""])[-1]])
def test_what_is_shown_instead_of_an_example_exists(example: str) -> None:
    instead = NAMED.findall(rows()[example][-1])

    assert [f"{path}::{test}" for path, test in instead if test not in functions(ROOT / path)] == []
