"""Nothing is left for later, and nothing of the machine it was written on gets into a file."""

import re

import pytest
from tests.architecture.sources import files, short

HOSTS = (
    ("py" + "pi", "org"),
    ("python" + "hosted", "org"),
    ("proxy", "golang", "org"),
    ("sum", "golang", "org"),
    ("registry", "npm" + "js"),
    ("deb", "debian", "org"),
    ("crates", "io"),
    ("ghcr", "io"),
    ("docker", "io"),
)
LATER = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK", "NotImplemented" + "Error")
AVOIDED = ("sk" + "ip", "sk" + "ipif", "xf" + "ail", "importor" + "skip")
PRIVATE_KEY = "-----BEGIN" + r" [A-Z ]*PRIVATE KEY"
SECRET = r"(?i)\b(pass" + r"word|passwd|api_?key|secret_?key)\b\s*[:=]\s*[\"'][^\"'{}$<]{6,}[\"']"

PATTERNS = [
    pytest.param(r"\b(" + "|".join(LATER) + r")\b", id="left-for-later"),
    pytest.param(r"\b(pytest|mark|unittest)\.(" + "|".join(AVOIDED) + r")\b", id="test-not-run"),
    pytest.param("|".join(r"\b" + r"\.".join(parts) for parts in HOSTS), id="registry-host"),
    pytest.param(r"(?<![\w.])/(work|root|home|farm)/[a-z]", id="machine-path"),
    pytest.param(PRIVATE_KEY, id="private-key"),
    pytest.param(SECRET, id="credential"),
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_file_holds_what_may_not_be_committed(pattern: str) -> None:
    wrong = re.compile(pattern)
    numbered = ((path, number, line) for path, text in files().items() for number, line in enumerate(text.split("\n")))

    assert [f"{short(path)}:{number + 1}" for path, number, line in numbered if wrong.search(line)] == []
