"""Logs: one JSON object a line on standard error, ours and those of the libraries alike."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

QUIET = {
    "kopf": logging.WARNING,
    "kopf._core.reactor.running": logging.ERROR,
    "aiohttp.access": logging.WARNING,
    "asyncio": logging.WARNING,
}
"""Least severity of libraries that talk about every request or event, or about how we chose to run them, below it."""


def configure_logging(level: str, *, stream: TextIO | None = None) -> None:
    """Send everything of at least this severity to `stream`, standard error by default."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _name_object],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    _replace_handlers(handler, level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _replace_handlers(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelName(level)))


def _name_object(_logger: Any, _method: str, event: EventDict) -> MutableMapping[str, Any]:
    """Take over the object that a record of the library about it names."""
    reference = getattr(event.get("_record"), "k8s_ref", None) or {}
    for name in ("kind", "namespace", "name", "uid"):
        if reference.get(name):
            event[name] = reference[name]
    return event
