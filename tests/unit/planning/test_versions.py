import pytest

from drover.planning.versions import is_older, numbers


@pytest.mark.parametrize(
    ("version", "other", "older"),
    [
        ("9.0.0", "9.0.0", False),
        ("9.0", "9.0.0", False),
        ("8.10.5", "9.0.0", True),
        ("10.0.0", "9.0.0", False),
        ("0.2.0-rc1", "0.2.0", True),
        ("0.2.0-rc1", "0.1.9", False),
        ("v0.1.0", "0.1.1", True),
        ("", "0.0.0", True),
        ("unknown", "0.1.0", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, other: str, *, older: bool) -> None:
    assert is_older(version, other) is older


def test_what_is_no_version_has_no_numbers() -> None:
    assert numbers("main") == ()
