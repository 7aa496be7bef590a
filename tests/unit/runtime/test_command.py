import pytest

from drover import __main__ as command


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_who_asks_for_help_gets_it(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (command.main([word]), "preflight" in capsys.readouterr().out) == (0, True)


@pytest.mark.parametrize("words", [[], ["no-such-process"]])
def test_a_process_that_is_not_known_is_not_run(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert (command.main(words), "usage: drover" in capsys.readouterr().err) == (2, True)


def test_the_rest_of_the_words_go_to_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert (command.main(["agent", "--help"]), "drover agent" in capsys.readouterr().err) == (0, True)


def test_a_process_that_an_image_lacks_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "drover.sandbox" else object())

    assert ("sandbox" in command.usage(), "agent" in command.usage()) == (False, True)
