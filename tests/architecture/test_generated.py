"""House rule 12: generated is generated."""

import pytest
from scripts import generate
from scripts.chart import render
from tests.architecture.sources import ROOT, short


def test_generated_files_are_what_the_models_say() -> None:
    assert [short(path) for path in generate.stale()] == [], "run make generate"


def test_generated_files_say_so_in_their_first_line() -> None:
    firsts = {path: text.split("\n", 1)[0] for path, text in generate.found().items() if path not in generate.PARTLY}

    assert [short(path) for path, first in firsts.items() if not any(each in first for each in generate.NOTICES)] == []


def test_a_stale_a_missing_and_a_strange_file_are_each_found(monkeypatch: pytest.MonkeyPatch) -> None:
    now = generate.wanted()
    first, second, *_ = now
    strange = ROOT / "crds" / "strange.yaml"
    monkeypatch.setattr(generate, "found", lambda: now | {first: "edited", strange: ""} | {second: None})

    assert set(generate.stale()) == {first, second, strange}


def test_rendered_manifests_are_believed_without_helm_until_chart_or_text_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(render, "helm", lambda: None)
    sound = render.manifests(generate.CHART_NOTICE)
    monkeypatch.setattr(render, "ingredients", lambda: "another")

    assert sound == {path: path.read_text(encoding="utf-8") for path in render.MANIFESTS}
    assert all("needs Helm" in text for text in render.manifests(generate.CHART_NOTICE).values())
