"""Findings for people and for programs."""

import json
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from drover.planning.preflight import Finding, failed

SIGNS = {"ok": "✓", "warning": "!", "failure": "✗", "unknown": "?"}
COLOURS = {"ok": "32", "warning": "33", "failure": "31", "unknown": "36"}
MARGIN = 4


def as_json(findings: Sequence[Finding]) -> str:
    """Write them for programs."""
    content = {"fit": not failed(tuple(findings)), "findings": [asdict(each) for each in findings]}
    return json.dumps(content, indent=2, ensure_ascii=False)


def as_table(findings: Sequence[Finding], *, coloured: bool, width: int | None = None) -> str:
    """Write them for people, one below the other, what to do beneath."""
    columns = max(40, width or shutil.get_terminal_size().columns)
    return "\n".join(line for each in findings for line in _lines(each, findings, coloured, columns))


def verdict(findings: Sequence[Finding]) -> str:
    """Sum them up."""
    counts = [(word, sum(each.verdict == word for each in findings)) for word in ("failure", "warning", "unknown")]
    told = ", ".join(f"{count} {word}{'s' * (count != 1 and word != 'unknown')}" for word, count in counts if count)
    return f"This node is {'not fit' if failed(tuple(findings)) else 'fit'} for guests{f': {told}' if told else ''}."


def _lines(finding: Finding, findings: Sequence[Finding], coloured: bool, columns: int) -> Iterator[str]:  # noqa: FBT001
    room = max(len(each.check) for each in findings)
    sign = SIGNS[finding.verdict]
    shown = f"\x1b[{COLOURS[finding.verdict]}m{sign}\x1b[0m" if coloured else sign
    indent = " " * (room + MARGIN)
    first, *more = textwrap.wrap(finding.found, columns - len(indent)) or [""]
    yield f"{shown} {finding.check:<{room}}  {first}".rstrip()
    yield from (indent + line for line in more)
    for number, line in enumerate(textwrap.wrap(finding.advice, columns - len(indent) - 2)):
        yield f"{indent}{'  ' if number else '→ '}{line}"
