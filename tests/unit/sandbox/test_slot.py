from pathlib import Path

import pytest

from drover.errors import Busy
from drover.sandbox import process, slot
from drover.sandbox.layout import SLOTS, Layout
from drover.sandbox.process import Identity

DEAD = Identity(pid=2**22 - 1, started=1)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    made = tmp_path / "registry"
    made.mkdir()
    return made


def test_a_state_directory_gets_the_same_slot_again(registry: Path) -> None:
    first = slot.take(Path("/a"), registry)

    assert slot.take(Path("/a"), registry) == first
    assert slot.find(Path("/a"), registry) == first


def test_a_slot_that_is_taken_is_passed_over(registry: Path) -> None:
    wanted = slot.preferred(Path("/a"))
    slot.hold(Layout(Path("/other"), wanted), process.myself(), registry)

    assert slot.take(Path("/a"), registry).slot == (wanted + 1) % SLOTS


def test_a_slot_given_back_is_free(registry: Path) -> None:
    slot.release(slot.take(Path("/a"), registry), registry)

    assert slot.find(Path("/a"), registry) is None


def test_a_machine_full_of_sandboxes_says_so(registry: Path) -> None:
    for number in range(SLOTS):
        slot.hold(Layout(Path(f"/{number}"), number), process.myself(), registry)

    with pytest.raises(Busy, match="251 sandbox slots"):
        slot.take(Path("/a"), registry)


def test_a_claim_without_its_directory_is_stale(tmp_path: Path) -> None:
    assert slot.Claim(Layout(tmp_path / "gone", 1), process.myself()).stale()


def test_a_claim_is_stale_when_nobody_of_it_lives(tmp_path: Path) -> None:
    assert slot.Claim(Layout(tmp_path, 1), DEAD).stale()


def test_a_claim_with_a_living_holder_is_not_stale(tmp_path: Path) -> None:
    assert not slot.Claim(Layout(tmp_path, 1), process.myself()).stale()


def test_a_broken_entry_of_the_registry_is_no_claim(registry: Path) -> None:
    (registry / "3.json").write_text("{")

    assert slot.claims(registry) == ()


def test_every_slot_is_tried_once() -> None:
    assert sorted(slot.order(Path("/a"))) == list(range(SLOTS))
