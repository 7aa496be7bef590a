"""What is promised or ordered by name is decided, carried out and exercised: tests that guard the tests."""

import re
from pathlib import Path
from typing import get_args

import pytest
from tests.architecture.sources import PACKAGE, ROOT

from drover.planning.action import Action
from drover.planning.domain_action import DomainAction
from drover.translation.domain.document import DEVICES, SECTIONS, Section

PLANNING = PACKAGE / "planning"
UNIT = ROOT / "tests" / "unit"
CONDITIONS = ("Accepted", "Scheduled", "VolumesReady", "NetworkReady", "Running", "GuestReady", "Ready", "Synced")
ORDERS = [
    *(pytest.param(order.__name__, PACKAGE / "controllers", id=order.__name__) for order in get_args(Action)),
    *(
        pytest.param(order.__name__, PACKAGE / "agent", id=f"agent-{order.__name__}")
        for order in get_args(DomainAction)
    ),
]


def words(folder: Path) -> set[str]:
    """Every word of a folder's Python files."""
    return {word for path in folder.rglob("*.py") for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_is_decided_in_planning_and_exercised(condition: str) -> None:
    assert condition in words(PLANNING)
    assert condition in words(UNIT / "planning")


@pytest.mark.parametrize(("order", "process"), ORDERS)
def test_every_order_is_exercised_where_it_is_decided_and_carried_out_by_a_process(order: str, process: Path) -> None:
    assert order in words(UNIT / "planning")
    assert order in words(process)


@pytest.mark.parametrize("section", [*SECTIONS, *DEVICES], ids=lambda section: str(section.__name__))
def test_every_section_of_a_guest_is_exercised_by_name(section: Section) -> None:
    assert section.__name__ in words(UNIT / "translation")
