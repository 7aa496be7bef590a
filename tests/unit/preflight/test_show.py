import json

import pytest

from drover.planning.preflight import Finding
from drover.preflight.show import as_json, as_table, verdict

GOOD = Finding("libvirt", "ok", "it answers")
BAD = Finding("free space", "failure", "9Mi of 10Gi free", "Give it more room, as images and disks are kept there.")
ODD = Finding("clock", "unknown", "the API server was not asked")


def test_programs_are_told_everything() -> None:
    told = json.loads(as_json((GOOD, BAD)))

    assert (told["fit"], told["findings"][0]["check"], told["findings"][1]["verdict"]) == (False, "libvirt", "failure")


def test_people_are_told_in_lines_that_fit() -> None:
    assert as_table((GOOD, BAD), coloured=False, width=60).splitlines() == [
        "✓ libvirt     it answers",
        "✗ free space  9Mi of 10Gi free",
        "              → Give it more room, as images and disks are",
        "                kept there.",
    ]


def test_colours_are_for_terminals() -> None:
    assert as_table((BAD,), coloured=True, width=99).startswith("\x1b[31m✗\x1b[0m free space")


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ((GOOD,), "This node is fit for guests."),
        ((GOOD, ODD), "This node is fit for guests: 1 unknown."),
        ((BAD, BAD), "This node is not fit for guests: 2 failures."),
    ],
)
def test_the_findings_are_summed_up(findings: tuple[Finding, ...], words: str) -> None:
    assert verdict(findings) == words
