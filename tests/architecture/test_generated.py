"""House rule 12: generated is generated."""

import pytest
from scripts import generate
from tests.architecture.sources import ROOT, short


def test_generated_files_are_what_the_models_say() -> None:
    assert [short(path) for path in generate.stale()] == [], "run make generate"


def test_generated_files_say_so_in_their_first_line() -> None:
    texts = generate.found()

    assert [short(path) for path, text in texts.items() if generate.NOTICE not in text.split("\n", 1)[0]] == []


def test_a_stale_a_missing_and_a_strange_file_are_each_found(monkeypatch: pytest.MonkeyPatch) -> None:
    now = generate.wanted()
    first, second, *_ = now
    strange = ROOT / "crds" / "strange.yaml"
    monkeypatch.setattr(generate, "found", lambda: now | {first: "edited", strange: ""} | {second: None})

    assert set(generate.stale()) == {first, second, strange}
