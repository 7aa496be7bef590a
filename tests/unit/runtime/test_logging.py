import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from drover.runtime.logging import configure_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    written = io.StringIO()
    configure_logging("INFO", stream=written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_words_and_those_of_libraries_have_one_form(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(name="web"):
        structlog.stdlib.get_logger("ours").info("it runs", node="n1")
        logging.getLogger("theirs").warning("odd %s", "thing")

    ours, theirs = lines(stream)
    assert (ours["event"], ours["node"], ours["name"], ours["level"]) == ("it runs", "n1", "web", "info")
    assert (theirs["event"], theirs["name"], theirs["logger"]) == ("odd thing", "web", "theirs")


def test_an_exception_is_one_line_with_its_traceback(stream: io.StringIO) -> None:
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        structlog.stdlib.get_logger("ours").exception("failed")

    assert "Traceback" in lines(stream)[0]["exception"]


def test_a_library_names_the_object_it_speaks_of(stream: io.StringIO) -> None:
    logging.getLogger("kopf.objects").error("x", extra={"k8s_ref": {"kind": "Domain", "name": "web", "uid": None}})

    line = lines(stream)[0]
    assert (line["kind"], line["name"], "uid" in line) == ("Domain", "web", False)


@pytest.mark.parametrize("name", ["kopf.objects", "aiohttp.access", "drover"])
def test_what_is_of_no_use_is_not_said(stream: io.StringIO, name: str) -> None:
    logging.getLogger(name).debug("a request")
    logging.getLogger("kopf").info("handler succeeded")

    assert lines(stream) == []
