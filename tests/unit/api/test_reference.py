"""The reference pages say what the schemas say."""

import pytest

from drover.api import reference
from drover.api.registry import DEFINITIONS

PAGES = reference.pages()


@pytest.mark.parametrize(
    "line",
    [
        "| `disks[].name` | string, required |",
        "| `cpu.cores` | integer 1 to 256 |",
        "| `memory.size` | quantity |",
        "| `restartPolicy` | Always \\| OnFailure \\| Never |",
        "| `nodeSelector` | map of string, at most 16 |",
        "- `spec.readinessProbe`: readinessProbe takes exactly one of",
    ],
)
def test_the_page_of_the_machine_shows_type_and_bounds(line: str) -> None:
    assert line in PAGES["virtualmachine.md"]


def test_what_pods_document_is_not_repeated() -> None:
    assert "nodeAffinity" not in PAGES["virtualmachine.md"]


def test_every_kind_has_a_page_and_a_line_in_the_index() -> None:
    assert len(PAGES) == len(DEFINITIONS) + 1
    assert [kind for kind in DEFINITIONS if f"({kind.kind.name.lower()}.md)" not in PAGES["README.md"]] == []
