from pathlib import Path

from drover.sandbox import settings
from drover.sandbox.layout import Layout
from drover.sandbox.settings import Settings


def test_what_is_not_chosen_stays_as_it_was(tmp_path: Path) -> None:
    settings.save(Layout(tmp_path, 1), Settings(nodes=3, environment={"A": "1"}))

    assert settings.merge(tmp_path, {"controllers": 2}) == Settings(nodes=3, controllers=2, environment={"A": "1"})


def test_the_first_time_everything_is_as_usual(tmp_path: Path) -> None:
    assert settings.load(Layout(tmp_path, 1)) == Settings()
