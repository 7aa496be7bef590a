"""House rule 10: small."""

import ast
from pathlib import Path

from tests.architecture.sources import Function, functions, modules, short

MEDIAN, MOST, LONGEST = 6, 25, 50
MODULE = 400


def lines(function: Function) -> int:
    """Length of a body in lines, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def measured() -> list[tuple[int, str]]:
    """Every body with its length, shortest first."""

    def name(path: Path, function: Function) -> str:
        return f"{short(path)}:{function.name}"

    return sorted((lines(function), name(path, function)) for path, function in functions())


def test_half_of_all_bodies_are_short() -> None:
    lengths = [length for length, _ in measured()]

    assert lengths[len(lengths) // 2] <= MEDIAN


def test_nine_of_ten_bodies_fit_on_half_a_screen() -> None:
    lengths = [length for length, _ in measured()]

    assert lengths[len(lengths) * 9 // 10] <= MOST


def test_no_body_is_longer_than_a_screen() -> None:
    assert [f"{name} has {length} lines" for length, name in measured() if length > LONGEST] == []


def test_no_module_is_a_scroll() -> None:
    lengths = {short(path): text.count("\n") for path, text in modules().items()}

    assert {path: length for path, length in lengths.items() if length > MODULE} == {}
