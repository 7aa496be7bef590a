"""Golden documents: each ``<case>.yaml`` renders to the ``<case>.xml`` beside it."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer ``pytest tests/golden --regenerate``: write the documents instead of comparing them; then read the diff."""
    parser.addoption("--regenerate", action="store_true", help="write golden documents anew")


@pytest.fixture
def regenerate(request: pytest.FixtureRequest) -> bool:
    """Whether documents are written instead of compared."""
    return bool(request.config.getoption("--regenerate", default=False))
