"""House rule 11: every module and every public name says what it is."""

import ast
from collections.abc import Iterator

from tests.architecture.sources import short, trees

Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Named]]:
    """Yield the public classes and functions of a module, and those of its public classes."""
    for node in tree.body:
        if isinstance(node, Named) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{prefix}{node.name}.")


def test_every_module_has_a_docstring() -> None:
    assert [short(path) for path, tree in trees().items() if not ast.get_docstring(tree)] == []


def test_every_public_name_has_a_docstring() -> None:
    names = [(f"{short(path)}:{name}", node) for path, tree in trees().items() for name, node in public(tree)]

    assert [name for name, node in names if not ast.get_docstring(node)] == []
